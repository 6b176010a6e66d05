"""Methods against each other: many runs on one budget, and what their differences mean."""

"""From what a user gives, a table, arrays or a finished run with a table, to labelled rows for training."""

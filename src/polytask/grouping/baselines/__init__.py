"""Ways to group tasks to compare with."""

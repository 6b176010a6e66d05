"""polytask: many targets, one library and one command."""

"""What a run leaves in its folder: written and read here, by everything that needs it."""

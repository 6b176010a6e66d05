"""Several processes: how they start and end, what they share, and work in processes of this machine."""

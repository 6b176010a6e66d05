"""What a run reports while it runs: the protocol, its texts, and the terminal."""

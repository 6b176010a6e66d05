"""What a run reports while it goes on: the protocol, its texts, and the terminal."""

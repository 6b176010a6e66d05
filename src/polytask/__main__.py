"""``python -m polytask``."""

from .cli import main

main()

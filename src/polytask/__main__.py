"""``polytask`` and ``python -m polytask``."""

import sys


def main() -> None:
    """Entry point; Ctrl-C is a message also while the command line loads."""
    try:
        from .cli import main as command

        command()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()

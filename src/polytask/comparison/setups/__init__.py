"""Built-in comparisons: YAML files that anyone can run by name."""

from __future__ import annotations

from pathlib import Path

from ...errors import UserError, did_you_mean


def ready() -> dict[str, Path]:
    """Built-in comparisons by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def find_setup(name: str) -> Path:
    """The file of a built-in comparison, or the path that was given.

    Raises:
        UserError: If there is neither such a file nor such a name.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    if name not in ready():
        raise UserError(f"{name}: neither a file nor a built-in comparison; {did_you_mean(name, ready())}")
    return ready()[name]

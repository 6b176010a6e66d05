"""Names of before."""

from __future__ import annotations

import warnings
from typing import TypeVar

Named = TypeVar("Named", bound=type)


def renamed(old: str, new: Named) -> Named:
    """What an old name stands for; a module's ``__getattr__`` calls it.

    Example:
        >>> with warnings.catch_warnings(record=True) as said:
        ...     warnings.simplefilter("always")
        ...     found = renamed("Whole", int)
        >>> found, str(said[0].message)
        (<class 'int'>, 'Whole is now called int; the old name will be removed in the next release')
    """
    warnings.warn(
        f"{old} is now called {new.__name__}; the old name will be removed in the next release",
        DeprecationWarning,
        stacklevel=3,
    )
    return new

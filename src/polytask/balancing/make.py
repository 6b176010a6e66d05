"""A balancer from a text: its name, or its name and options."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

from ..errors import UserError, did_you_mean, raise_all
from . import BALANCERS, Balancer


def make_balancer(spec: str | dict[str, Any]) -> Balancer:
    """A balancer from its name, or from ``{name: ..., option: value}``.

    Raises:
        UserError: If the method is not known, does not take an option, or needs one.

    Example:
        >>> make_balancer({"name": "dwa", "temperature": 1.0}).temperature
        1.0
    """
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = options.pop("name", None)
    if name is None:
        raise UserError(f"balance: expected a method with its options, found {spec} without `name`; give it, such as "
                        "name: gradnorm")  # fmt: skip
    if name not in BALANCERS:
        raise UserError(f"balance: unknown method {name!r}; {did_you_mean(str(name), BALANCERS)}")
    defaults = signature(BALANCERS[name].__init__).parameters
    raise_all([
        f"balance: {name}: expected a number for {option}, found {value!r}"
        for option, value in options.items()
        if option in defaults and type(defaults[option].default) in (int, float) and type(value) not in (int, float)
    ])  # fmt: skip
    try:
        return BALANCERS[name](**options)
    except UserError:
        raise
    except (TypeError, ValueError, AttributeError) as error:  # an option that is missing, unknown or of another type
        raise UserError(f"balance: {name}: {error}; see `polytask methods {name}`") from None


def balance_of(spec: str | dict[str, Any], tasks: Sequence[str], targets: Sequence[str]) -> str | dict[str, Any]:
    """A method for a network of some of the targets: what its options say of the others is left out.

    Example:
        >>> balance_of({"name": "static", "values": {"a": 2, "b": 3}}, ["a"], ["a", "b"])
        {'name': 'static', 'values': {'a': 2}}
    """
    others = set(targets) - set(tasks)
    if isinstance(spec, str) or not others:
        return spec

    def own(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: part for name, part in value.items() if name not in others}
        return [name for name in value if name not in others] if isinstance(value, list | tuple) else value

    return {option: own(value) for option, value in spec.items()}

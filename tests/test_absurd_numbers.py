"""Every number of the configuration, found by reflection: absurd values are refused before any work, in one voice."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from polytask import TrainingSettings, UserError
from polytask.balancing import BALANCERS
from polytask.config import Config, keys_of, make_config
from polytask.config.key import subsections
from polytask.models.encoders import ENCODERS
from polytask.models.sharing import ARCHITECTURES, sharing_options
from polytask.ranges import ranges_of
from polytask.training.distillations import DISTILLATIONS
from small_table import assert_refused, fit, table_rows, write_table

TABLES = [{"table": "a.csv", "targets": ["click"]}, {"table": "b.csv", "targets": ["price"]}]
#: What makes a key count, where others would refuse it for having no effect.
CONTEXT: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": "sgd"},
    "sampling_temperature": {"data": TABLES, "sampling": "temperature"},
    "sequential": {"converge": "sequential"},
    "convergence.fixed_step": {"convergence": {"test": "fixed"}},
}
NEVER = [math.nan, -math.inf, -7, 1e300, 10**30, "fast", [], {}]
#: Keys that infinity has a meaning for.
INFINITE = {"sampling_temperature"}
#: Options that may be negative, or that are refused when the network is made.
NEGATIVE = {"init", "seed", "lower_bound", "sharing_options"}
#: Keys that take an empty list, or a mapping.
EMPTY = {"convergence.fixed_step", "split", "sampling", "hidden", "model.hidden", "threshold"}


def parts_of(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows."""
    if get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from parts_of(part)
    else:
        yield annotation


def typed_keys(section: type[Any], path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Dotted paths of all keys with the types that they take."""
    hints = get_type_hints(section)
    for name in keys_of(section):
        parts = list(parts_of(hints[name]))
        yield path + name, parts
        for part in parts:
            if get_origin(part) is None:
                yield from (key for inner in subsections(part) for key in typed_keys(inner, f"{path}{name}."))


def number_keys(section: type[Any]) -> list[str]:
    """Dotted paths of all keys that take a number."""
    return [key for key, parts in typed_keys(section) for part in parts if part in (int, float)]


def word_keys(section: type[Any]) -> list[str]:
    """Dotted paths of all keys that take certain words, or yes and no, and no other text."""
    found = dict(typed_keys(section))
    return [key for key, parts in found.items()
            if str not in parts and any(part is bool or get_origin(part) is Literal for part in parts)]  # fmt: skip


KEYS = sorted(set(number_keys(Config)))


def configuration(key: str, value: Any) -> dict[str, Any]:
    """A configuration that says nothing but this."""
    values: dict[str, Any] = {"data": "table.csv", "targets": ["click", "price"]}
    for prefix, context in CONTEXT.items():
        if key == prefix or key.startswith(prefix + "."):
            values |= {name: dict(given) if isinstance(given, dict) else given for name, given in context.items()}
    *parents, last = key.split(".")
    node = values
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return values


def test_numbers_are_found_by_reflection() -> None:
    assert {"steps", "momentum", "convergence.min_delta", "model.dropout", "affinity.every", "seed"} <= set(KEYS)
    assert len(KEYS) > 40


@pytest.mark.parametrize("key", KEYS)
def test_absurd_values_are_refused(key: str) -> None:
    infinity = [] if key in INFINITE else [math.inf]
    for value in [*NEVER, *infinity]:
        if isinstance(value, list | dict) and key in EMPTY:
            continue
        with pytest.raises(UserError):
            make_config(configuration(key, value))
            pytest.fail(f"{key}: {value!r} was taken")


@pytest.mark.parametrize("key", word_keys(Config))
def test_words_that_mean_nothing_are_refused(key: str) -> None:
    for value in ("nonsense", 3.5, [], {"a": 1}):
        with pytest.raises(UserError, match=key.split(".")[-1]):
            make_config(configuration(key, value))
            pytest.fail(f"{key}: {value!r} was taken")


@pytest.mark.parametrize("name", ranges_of(TrainingSettings))
def test_settings_in_python_refuse_the_same(name: str) -> None:
    context = CONTEXT.get(name, {})
    for value in NEVER:
        with pytest.raises(UserError, match=name):
            TrainingSettings(**{key: v for key, v in context.items() if key != "data"} | {name: value})


def numbers_of_methods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Options with numbers of everything that is chosen by its name."""
    import inspect

    for key, registry in (("balance", BALANCERS), ("distill", DISTILLATIONS)):
        for name, method in registry.items():
            for option, parameter in inspect.signature(method.__init__).parameters.items() if method else ():
                if isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool):
                    yield key, {"name": name, option: None}
    for name, encoder in ENCODERS.items():
        for option in number_keys(encoder):
            if "." not in option:
                yield "encoder", {"name": name, option: None}
    for name in ARCHITECTURES:
        for option in sharing_options(name):
            yield "sharing_options", {"name": name, option: None}


@pytest.mark.parametrize(("key", "spec"), list(numbers_of_methods()), ids=str)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -7, "fast"], ids=str)
def test_absurd_options_of_methods_are_refused(key: str, spec: dict[str, Any], value: Any) -> None:
    options = {name: value if given is None else given for name, given in spec.items()}
    if value == -7 and NEGATIVE & {*options, key}:
        return
    values = {"sharing": options.pop("name"), key: options} if key == "sharing_options" else {key: options}
    with pytest.raises(UserError):
        make_config({"data": "table.csv", "targets": ["click", "price"]} | values)


@pytest.mark.parametrize(
    "option",
    ["momentum=-1", "checkpoint_seconds=-7", "convergence.min_delta=.inf", "convergence.kd_weight=.nan",
     "convergence.temperature=.inf", "learning_rate=fast", "weights={click: .inf}"],
)  # fmt: skip
def test_the_command_writes_nothing(tmp_path: Path, option: str) -> None:
    table = write_table(tmp_path / "table.csv", table_rows(60))
    more = ("--set", "optimizer=sgd") if option.startswith("momentum") else ()
    assert_refused(fit(table, tmp_path / "run", "--set", option, *more), option.partition("=")[0].split(".")[-1])
    assert list(tmp_path.iterdir()) == [table]

"""Options that several commands have, and how their texts become configuration keys."""

from __future__ import annotations

import fnmatch
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ..config import SECTIONS, AffinityOptions, Config, Key, Option, default_of, keys_of, make_config
from ..config.file import apply_overrides, read_config, read_yaml
from ..config.layout import flat_names, flat_note
from ..config.section import problems_of
from ..display.display import Display
from ..errors import UserError, raise_all
from ..records.layout import Layout

#: Title of the options that are no keys.
COMMAND = "Command"
Data = Annotated[Path, typer.Argument(help="table (.csv, .parquet, ...)", show_default=False, metavar="DATA")]
DataOrConfig = Annotated[
    Path | None,
    typer.Argument(help="table (.csv, .parquet, ...) or configuration (.yaml)", show_default=False, metavar="DATA"),
]
#: The keys that the user has set; no option.
Given = dict[str, Any] | None
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="any key of the configuration; repeatable", rich_help_panel=COMMAND
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="allow importing the custom encoder class that the run refers to", rich_help_panel=COMMAND
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress, no tables", rich_help_panel=COMMAND)]
Json = Annotated[
    bool, typer.Option("--json", help="print the result as JSON on standard output", rich_help_panel=COMMAND)
]


def options_of_keys(command: str) -> Iterator[tuple[str, str, Key, Option, Any]]:
    """Dotted name, section's title, definition, option and default of every key that a command has an option for."""
    for section in SECTIONS:
        for name, key in keys_of(section).items():
            if key.option and command in key.option.commands:
                yield Config.model_fields[name].alias or name, section.title, key, key.option, default_of(Config, name)
    for name, key in keys_of(AffinityOptions).items():
        if key.option and command in key.option.commands:
            yield f"affinity.{name}", "Affinity", key, key.option, default_of(AffinityOptions, name)


def with_keys(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for every key that has one there.

    The function is called with ``given``, the keys that the user has set.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        known = {_argument(key, option): (key, option) for key, _, _, option, _ in options_of_keys(name)}
        hints = get_type_hints(function, include_extras=True)
        own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()]
        options = [_parameter(*entry) for entry in options_of_keys(name)]
        place = 1 + next(position for position, parameter in enumerate(own) if parameter.name == "out")

        @functools.wraps(function)
        def command(**arguments: Any) -> None:
            given: dict[str, Any] = {}
            for argument, (key, option) in known.items():
                value = arguments.pop(argument)
                if value is not None and value != []:
                    shown = option.name or f"--{argument.strip('_').replace('_', '-')}"
                    _put(given, key, option.parse(value, shown) if option.parse else value)
            function(**arguments, given=given)

        rest = [parameter for parameter in own[place:] if parameter.name != "given"]
        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in (*own[:place], *options, *rest)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _argument(key: str, option: Option) -> str:
    """Name of the parameter that holds an option."""
    name = option.name.removeprefix("--") or key.rpartition(".")[2]
    return (name + "_" * (name == "from")).replace("-", "_")


def _parameter(key: str, title: str, known: Key, option: Option, default: Any) -> inspect.Parameter:
    argument = _argument(key, option)
    flag = f"--{argument.strip('_').replace('_', '-')}"
    help = option.help or known.meaning[0].lower() + known.meaning[1:].rstrip(".")
    if isinstance(default, str | int | float) and not isinstance(default, bool) and "[default" not in help:
        help += f" [default: {default}]"
    if option.kind is bool:
        details = typer.Option(f"{flag}/--no-{flag[2:]}", help=help, show_default=False, rich_help_panel=title)
    else:
        details = typer.Option(flag, help=help, show_default=False, metavar=option.metavar, rich_help_panel=title)
    kind: Any = option.kind | None
    annotation = Annotated[kind, details]
    return inspect.Parameter(argument, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a key by its dotted name."""
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


def check_file_to_write(out: Path, is_replaced: Callable[[Path], bool] = lambda _: True) -> None:
    """Find out before the work whether a file can be written.

    Args:
        out: The file.
        is_replaced: Whether the command has written a file that exists, which it may then replace.

    Raises:
        UserError: If there is a folder of that name, what should be its folder is a file, it belongs to a run, or it is
            not the command's.
    """
    if run := Layout.of_file(out):
        raise UserError(f"--out {out}: is a file of the run {run.path}, which would be damaged; choose another name")
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; give the name of a file")
    if out.parent.exists() and not out.parent.is_dir():
        raise UserError(f"--out {out}: {out.parent} is not a folder; choose another path")
    if out.exists() and out.stat().st_size and not is_replaced(out):
        raise UserError(f"--out {out}: exists, and this command has not written it; choose another name")


def check_readable(table: Path) -> None:
    """Say that a file is no table before PyTorch is loaded, which takes a second.

    Raises:
        UserError: If it is not there, or names of columns cannot be read from it.
    """
    from ..data.formats import format_of  # not at the top: --help need not wait for Arrow
    from ..data.table import column_names

    if not table.is_dir() or format_of(table) is not None:  # a folder of arrays is told what to do by its run
        column_names(table)


def check_tables(config: Config) -> None:
    """Say as early what is wrong with the files and the names of their columns.

    Raises:
        UserError: All that is.
    """
    from ..data.table import check_files
    from ..runs.preparation.header import check_header

    check_files(config.tables)
    check_header(config)


def resolve(data: Path | None, options: dict[str, Any], overrides: Sequence[str] | None) -> Config:
    """The configuration from a table or a YAML file, then options, then ``--set``.

    Raises:
        UserError: All mistakes at once.
    """
    values: dict[str, Any] = {}
    where = "options"
    if data is not None and data.suffix in (".yaml", ".yml"):
        values, where = read_config(data), data.name
    elif data is not None:
        values["data"] = str(data)
    values |= options
    apply_overrides(values, overrides or ())
    _refuse_unread(values, where)
    expand_targets(values)
    return make_config(values, where)


def _refuse_unread(values: dict[str, Any], where: str) -> None:
    """Refuse what no column's name can correct before the table is opened, for which Arrow loads half a second.

    Raises:
        UserError: All mistakes, if none is about targets, which may be patterns.
    """
    problems = problems_of(lambda: make_config(values, where))
    if not any("target" in problem for problem in problems):
        raise_all(problems)


def flat_keys(data: Path | None, overrides: Sequence[str] | None) -> list[str]:
    """Keys of a configuration file and of ``--set`` that are outside of their sections."""
    in_file = flat_names(read_yaml(data)) if data is not None and data.suffix in (".yaml", ".yml") else []
    return [*in_file, *flat_names(dict.fromkeys(text.partition("=")[0].split(".")[0] for text in overrides or ()))]


def say_flat(names: Sequence[str], display: Display) -> None:
    """Tell the user of keys that are outside of their sections."""
    if names:
        display.say(flat_note(names))


def expand_targets(values: dict[str, Any]) -> None:
    """Put the columns of the table instead of patterns, ``ALL`` and names that a comma has split, in place.

    Raises:
        UserError: If a pattern fits no column, or ``ALL`` is given without features.
    """
    given, data = values.get("targets"), values.get("data")
    if isinstance(given, str):
        given = values["targets"] = [given]
    if not isinstance(data, str) or not isinstance(given, list | tuple) or not _may_exist(data):
        return
    from ..data.table import column_names

    try:
        known = column_names(data)
    except UserError:
        return  # reading the table states what is wrong with it
    found: list[Any] = []
    columns = set(known)
    for name in _with_commas(list(given), known):
        found += [name] if name in columns or not isinstance(name, str) else _matching(name, known, values)
    values["targets"] = list(dict.fromkeys(found)) if len(found) != len(given) else found


def _may_exist(table: str) -> bool:
    """Whether there is something to read; behind a # some formats name a part of the file."""
    return Path(table).exists() or Path(table.partition("#")[0]).is_file()


def _with_commas(given: list[Any], known: Sequence[str]) -> list[Any]:
    """Names next to each other that are a column only together: ``a`` and ``b`` where the column is ``a,b``."""
    found, at, columns = [], 0, set(known)
    most = 1 + max((name.count(",") for name in known), default=0)
    while at < len(given):
        rest = [str(name) for name in given[at : at + most]]
        longest = next(
            (n for n in range(len(rest), 1, -1) for text in (",", ", ") if text.join(rest[:n]) in columns), 1
        )
        joined = next((t.join(rest[:longest]) for t in (",", ", ") if t.join(rest[:longest]) in columns), given[at])
        found.append(joined if longest > 1 else given[at])
        at += longest
    return found


def _matching(pattern: str, known: Sequence[str], values: dict[str, Any]) -> list[str]:
    """The columns that a pattern or ``ALL`` stands for; any other name is kept, so that it is reported."""
    split = values.get("split")
    features = values.get("features")
    if pattern == "ALL":
        if not features:
            raise UserError(
                "targets: ALL is every column that is no feature; give the features, such as --features a,b"
            )
        taken = {*features, *(values.get("ignore") or ()), values.get("id"), split if isinstance(split, str) else None}
        weight = values.get("sample_weight")
        taken |= {weight} if isinstance(weight, str) else set((weight or {}).values())
        return [name for name in known if name and name not in taken]
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    found = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        shown = ", ".join(list(known)[:20]) + (", ..." if len(known) > 20 else "")
        raise UserError(f"targets: no column fits the pattern {pattern!r}; known: {shown}")
    return found

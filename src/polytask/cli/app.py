"""The command itself, and what becomes of errors."""

from __future__ import annotations

import errno
import functools
import inspect
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec

import typer
from typer.core import TyperCommand, TyperGroup

from .. import __version__
from ..display.text import printable
from ..errors import AfterTrainingError, DivergedError, UserError, used_up
from ..processes.lost import is_lost, lost_sentence
from ..processes.signals import INTERRUPTED, SIGNALS

P = ParamSpec("P")

#: The commands as `polytask --help` lists them.
PANELS = {
    "Train": ("demo", "fit", "compare", "tune"),
    "Understand": ("doctor", "report", "evaluate", "affinity", "select", "methods"),
    "Use": ("predict", "export", "serve"),
}


def _without_types(params: list[Any]) -> list[Any]:
    """Flags without the type that newer releases of Typer print behind them."""
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # Click's UsageError, which Typer does not export
            usage: Any = error
            if "extra argument" in getattr(error, "message", ""):
                usage.message += ". Several names are one list with commas and without spaces: --targets a,b"
            raise


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for names in PANELS.values() for name in names]


app = typer.Typer(
    name="polytask",
    cls=_Group,
    help="Predict many targets with few networks: measure which tasks should share a network, keep every task at its "
    "peak, and compare with simple alternatives.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"polytask {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Predict many targets with few networks: measure which tasks should share a network, keep every task at its
    peak, and compare with simple alternatives.
    """


#: Bytes of address space with which libraries, their threads and a small training certainly find room.
ENOUGH_MEMORY = 3 << 30
_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What the system has no more of, and what helps.
_USED_UP = {
    "memory": "there is not enough memory for this; files written before are intact. Take a smaller batch_size (or "
    "accumulate), give a table as Parquet with --set data.stream=true, or raise the limit (ulimit -v)",
    "files": "too many open files for this process; files written before are intact. Raise the limit (ulimit -n 1024)",
    "processes": "the system cannot start more processes or threads; files written before are intact. Raise "
    "the limit (ulimit -u, and -v for their memory), or take fewer --jobs",
}
_WRONG_PLACE = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG,
                errno.EROFS)  # fmt: skip
_GONE = (errno.ENOENT, errno.ESTALE, errno.EIO, errno.ENODEV, errno.ENXIO)


def command(*, epilog: str, name: str | None = None) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Register a function as a subcommand.

    Exit status: 0 done; 2 the user's input is wrong (one message, no traceback); 130 interrupted; 1 anything
    else, such as a training that diverged.
    """

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            status = 0
            _interrupt_by_signals()
            _say_little_memory()
            try:
                with warnings.catch_warnings():
                    warnings.showwarning = _note
                    function(*args, **kwargs)
            except UserError as error:
                status = _fail(2, f"error: {error}" if _first() else "")
            except (AfterTrainingError, DivergedError) as error:
                status = _fail(1, f"error: {error}" if _first() else "")
            except KeyboardInterrupt:
                status = _fail(130, INTERRUPTED if _first() else "")
            except Exception as error:
                status = _outside(error, "out" in inspect.signature(function).parameters)
            if status:
                raise typer.Exit(status)

        called = name or function.__name__
        panel = next(title for title, names in PANELS.items() if called in names)
        app.command(name=name, cls=_Command, epilog=epilog, rich_help_panel=panel)(guarded)
        return guarded

    return register


def _interrupt_by_signals() -> None:
    _handle_signals(signal.default_int_handler)


def _handle_signals(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if number != signal.SIGINT:  # a shell may want its background jobs to ignore that one
                signal.signal(number, handler)


def _say_little_memory() -> None:
    """Libraries that find no memory may crash or wait in C code, where nothing can be reported any more."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY and allowed < ENOUGH_MEMORY and "LOCAL_RANK" not in os.environ:
        _note(
            f"the limit of this shell (ulimit -v) allows {allowed / 2**30:.1f} GiB of address space; PyTorch takes "
            f"up to {ENOUGH_MEMORY / 2**30:.0f} GiB of it and may crash or hang without a message if it gets less"
        )


def _first() -> bool:
    if "torch" not in sys.modules:  # nothing has been started yet
        return True
    from ..processes.collectives import is_first

    return is_first()


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning without the place in the program."""
    typer.echo(f"note: {printable(str(message))}", err=True)


def _os_error(error: OSError, has_out: bool) -> int:
    """Exit status for a file that cannot be written; raises anything else again."""
    what = f"error: cannot write {error.filename or 'a file'}: {error.strerror or error}"
    if error.errno in _GONE:
        return _fail(1, f"error: {error.filename or 'a file'} cannot be reached any more ({error.strerror}); if its "
                        "folder was moved or unmounted put it back: an interrupted `polytask fit` continues with "
                        "--resume; if it was removed, start again")  # fmt: skip
    if error.errno in _NO_PLACE:
        return _fail(1, f"{what}. Files written before are intact. Free space or use another folder; an interrupted "
                        "`polytask fit` continues with --resume")  # fmt: skip
    if error.errno in _WRONG_PLACE:
        other = "choose another folder with --out" if has_out else "copy the folder to a disk that can be written"
        return _fail(2, f"{what}; {other}, or change the permissions of this one")
    raise error


def _outside(error: Exception, has_out: bool) -> int:
    """Exit status for what is wrong with the machine or another process; raises anything else again."""
    if what := used_up(error):
        return _fail(1, f"error: {_USED_UP[what]}; an interrupted `polytask fit` continues with --resume")
    if is_lost(error):
        return _fail(1, lost_sentence())
    if isinstance(error, OSError):
        return _os_error(error, has_out)
    raise error


def _fail(status: int, message: str) -> int:
    _handle_signals(signal.SIG_IGN)  # processes that end together send each other signals, which are no news any more
    if message:
        typer.echo(printable(message), err=True)
    return status

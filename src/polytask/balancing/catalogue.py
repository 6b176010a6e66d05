"""The catalogue of methods as text, made from the methods themselves.

``python -m polytask.balancing.catalogue docs/methods`` writes the pages.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from . import BALANCERS
from .bibliography import BIBTEX

_SECTION = re.compile(r"^([A-Z][A-Za-z ]+):$")
_CHOICE = """## How to choose

1. **First tuned static weights** (`static`), or `equal` with losses of similar scale and a tuned learning rate. No
   method has been shown to beat the front of tuned weights; give them the same number of trials as any other method.
2. By what you see:

| what you see | try | why |
|---|---|---|
| losses of different, unknown scale | `uw`, `scale_invariant`, `famo` | scale drops out; no gradients per task |
| a few tasks with much larger gradients | `gradnorm` | one run instead of a search; up to a quarter of a step |
| one task's metric lags behind | `dtp` | uses metrics |
| tasks learn at different speeds, many epochs | `dwa` | costs nothing; changes little |
| the worst task decides | `stch`, `cagrad` | larger weights for the worst tasks, smoothly |
| gradients conflict, few tasks | `upgrad`, then `pcgrad` | no task's loss goes up, to first order |
| the same, many tasks or a large network | `gradients: representation`, or `every: 10` | a fraction of the cost |
| tasks of equal importance, no common scale | `imtl_g`, `nash_mtl`, `fairgrad` | equal or fair progress |
| is anything gained by balancing? | `rlw` | a method that does not beat random weights balances nothing |

3. Tune the learning rate for each method: weights sum to K, to 1 or to no fixed number, and with SGD this makes the
   learning rate up to K times smaller or larger.

## Rules that all methods follow

- **User's weights.** Per sample (`sample_weight: COLUMN`) and per sample and task (`sample_weight: {TASK: COLUMN}`; in
  Python `Rows.with_weights`) they are inside a task's mean loss, `sum w L / sum w`; per task they multiply what the
  method finds.
- **Absent tasks** are left out: no loss, no gradient, no change of the statistics kept for them.
- **Heads** get unweighted gradients from methods with per-task gradients, unless `head_weighting` is set; with the
  others (and GradNorm) the weight multiplies the whole loss.
- **Several processes**: losses and gradients are reduced first, so every process finds the same weights.
- **Precision**: whatever the caller's autocast and the type of parameters and losses, a method computes in float32 or
  better; unscaled losses are weighted, and the gradient scaler scales their sum.
- **Soft labels**: a task whose labels were replaced leaves the method until it is released; its
  gradient gets the mean weight of the tasks that learn.
- **Structure** is read from the graph of every step: shared parameters that affect a loss by a path around `features`
  get their full gradient, those without a gradient are left alone, and reentrant checkpointing is refused.
- **Losses below 0** are refused by methods that take their logarithm or divide by them ([which](compatibility.md)).
- **Accumulation**: one call per optimiser step, with the mean of the micro-batches' losses and all their features.
- **Checkpoints**: the whole state of a method is in `state_dict()`, random draws included.
"""


_REFUSED = """# What is not wrapped, and why

torchjd 0.18 has more than the methods here:

| of torchjd | why not |
|---|---|
| `Krum`, `TrimmedMean` | made for federated learning with malicious participants; see below |
| `MoDoWeighting`, `SDMGradWeighting` | need gradients of two or three independent batches per step; see below |
| `Mean`, `Sum`, `Constant`, `Random` | are `equal` at another learning rate, `equal`, `static` and `rlw` |
| scalarisations `DWA`, `FAMO`, `GeometricMean`, `IMTLL`, `STCH`, `UW` | are here: [absent tasks](criteria.md) |

- Krum and the trimmed mean drop the gradients, or coordinates, that differ most from the others. In multi-task learning
  these are the tasks that need attention.
- MoDo and SDMGrad: a balancer gets the mean losses of one batch. Independent halves would need separate
  losses, and halve the batch of everything else.

Left out of methods that are here: the focal loss that the paper of `dtp` uses within each task works on single
examples, and a balancer sees mean losses. It is a loss of the task (`focal`), not a method that weights tasks.

CoBa, GO4Align, LDC-MTL, Auto-Lambda (with and without a main task) and selective updates of task groups were [compared
once](../results/studies/balancing.md) with equal weights on six tables, and gained nothing; neither did merging
single-task models.
"""


def sections(name: str) -> dict[str, str]:
    """The docstring of a method, by its headings; what comes before the first is under ``""``."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in (inspect.getdoc(BALANCERS[name]) or "").splitlines():
        match = _SECTION.match(line)
        if match:
            heading = match[1]
            found[heading] = []
        else:
            found[heading].append(line)
    return {key: inspect.cleandoc("\n".join(lines)).strip() for key, lines in found.items()}


def summary(name: str) -> str:
    """What a method is, in one line.

    Example:
        >>> summary("rlw")
        'Random loss weighting: new random weights in every step.'
    """
    return sections(name)[""].splitlines()[0]


def citation(name: str) -> str:
    """BibTeX of a method."""
    return "\n\n".join(BIBTEX[name])


def signature(name: str) -> str:
    """How to make it, with the defaults.

    Example:
        >>> signature("dwa")
        "dwa(temperature=2.0, absent='renormalise')"
    """
    parameters = list(inspect.signature(BALANCERS[name].__init__).parameters.values())[1:]
    written = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    return f"{name}({', '.join(written)})"


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`]+)`", lambda match: f"`{match[1].rsplit('.', 1)[-1]}`", text)
    return text.replace("``", "`")


def _options(text: str) -> str:
    """The ``Args`` section as a list."""
    items = re.split(r"\n(?=\w+: )", text)
    return "\n".join("- " + re.sub(r"\s+", " ", re.sub(r"^(\w+): ", r"**\1**: ", item)) for item in items)


def page(name: str) -> str:
    """A method's page, Markdown."""
    method, parts = BALANCERS[name], sections(name)
    lines = [f"# {name}", "", _markdown(parts[""]), ""]
    needed = [option for option, given in inspect.signature(method).parameters.items() if given.default is given.empty]
    spec = ", ".join([f"name: {name}", *(f"{option}: {{click: 2}}" for option in needed)])
    lines += ["```yaml", f"balance: {{{spec}}}        # {method.__name__} in Python", "```", ""]
    lines += [f"**Uses**: {method.sees}."]
    if method.extra:
        lines += [f"**Install**: `pip install 'polytask[{method.extra}]'`."]
    for heading in ("When to choose it", "Cost", "Args", "Deviations", "Source"):
        if parts.get(heading):
            text = _options(parts[heading]) if heading == "Args" else parts[heading]
            lines += ["", f"## {'Options' if heading == 'Args' else heading}", ""]
            lines += [f"`{signature(name)}`", ""] if heading == "Args" else []
            lines += [_markdown(text)]
    return "\n".join([*lines, "", "```bibtex", citation(name), "```", ""])


def overview() -> str:
    """The page before all others, Markdown."""
    rows = [
        f"| [`{name}`]({name}.md) | {_markdown(summary(name))} | {method.sees} |" for name, method in BALANCERS.items()
    ]
    head = ["# Balancing methods", "", "`polytask fit --balance NAME`, `polytask methods NAME`.", "", _CHOICE]
    table = ["## All methods", "", "| method | what it does | uses |", "|---|---|---|", *rows, ""]
    more = [
        "What can be combined: [compatibility](compatibility.md). Examples: [GradNorm's synthetic",
        "problem](gradnorm_toy.md), [methods on six tables](../results/studies/balancing.md). Selection: [what is",
        "not wrapped, and why](not_wrapped.md); [what a method needs to be in the core](criteria.md).",
        "",
    ]
    return "\n".join(head + table + more)


def pages() -> dict[str, str]:
    """All pages by file name."""
    return {"README.md": overview(), "not_wrapped.md": _REFUSED} | {f"{name}.md": page(name) for name in BALANCERS}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in pages().items():
        (folder / file).write_text(text, encoding="utf-8")

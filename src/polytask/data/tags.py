"""Targets with a tag for every word of a text (`tags`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import UserError
from ..task import Task
from .problems import collected


def for_words(
    tags: Mapping[int, Tensor], texts: Sequence[str], tasks: Sequence[Task], *, where: str = "table"
) -> dict[int, Tensor]:
    """Tags with a position for every word of the longest text, NaN where there is none.

    Args:
        tags: From :func:`~polytask.data.encode_wide`.
        texts: ``[n]``, words are what stands between blanks.
        tasks: The tasks.
        where: Name of the table in messages.

    Raises:
        UserError: If a row has another number of tags than of words.

    Example:
        >>> tasks = [Task("slots", kind="tags", classes=("B", "O"))]
        >>> for_words({0: torch.tensor([[1.0], [torch.nan]])}, ["here", "two words"], tasks)
        {0: tensor([[1., nan],
                [nan, nan]])}
    """
    words = torch.tensor([len(text.split()) for text in texts])
    width = max(1, int(words.max())) if len(words) else 1
    problems: list[str] = []
    found = {}
    for position, values in tags.items():
        counts = (~torch.isnan(values)).sum(1)
        wrong = ((counts > 0) & (counts != words)).nonzero()[:, 0].tolist()
        with collected(problems):
            if wrong:
                row = wrong[0]
                raise UserError(
                    f"{where}: target {tasks[position].name!r}: {len(wrong)} rows have different numbers of tags and "
                    f"words, first row {row + 1}: {int(counts[row])} tags for {int(words[row])} words "
                    f"({texts[row][:60]!r}); give one tag per word, separated by blanks, or empty the cell"
                )
        found[position] = torch.nn.functional.pad(
            values[:, :width], (0, max(0, width - values.shape[1])), value=torch.nan
        )
    if problems:
        raise UserError(*problems)
    return found

"""Five data sets of English sentences, each with its own inputs and kind of label, read from their raw files.

Every reader gives the parts ``train`` and ``test`` (``validation`` where the set has an official one), each a list of
``(sentence or pair of sentences, label)``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

Example = tuple[tuple[str, ...], float]
Parts = dict[str, list[Example]]

TREC = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
SUBJ_TEST = 2000


def read_trec(folder: Path, seed: int) -> Parts:
    """Kind of a question, 6 classes; official test part."""

    def read(name: str) -> list[Example]:
        lines = (folder / name).read_text(encoding="latin-1").splitlines()
        return [((line.split(" ", 1)[1],), TREC.index(line.split(":")[0])) for line in lines if line.strip()]

    return {"train": read("train_5500.label"), "test": read("TREC_10.label")}


def read_subj(folder: Path, seed: int) -> Parts:
    """Subjective or objective; no official test part, 2,000 rows are drawn."""
    examples: list[Example] = []
    for label, name in enumerate(("subj.objective", "subj.subjective")):
        lines = (folder / name).read_text(encoding="latin-1").splitlines()
        examples += [((line,), label) for line in lines if line.strip()]
    random.Random(seed).shuffle(examples)
    return {"train": examples[SUBJ_TEST:], "test": examples[:SUBJ_TEST]}


def read_cola(folder: Path, seed: int) -> Parts:
    """Grammatical or not; the official development set is the test part."""

    def read(name: str) -> list[Example]:
        rows = [line.split("\t") for line in (folder / name).read_text(encoding="utf-8").splitlines() if line.strip()]
        return [((row[3],), float(row[1])) for row in rows]

    return {"train": read("train.tsv") + read("val.tsv"), "test": read("dev.tsv")}


def read_mrpc(folder: Path, seed: int) -> Parts:
    """Paraphrase or not; official test part."""

    def read(name: str) -> list[Example]:
        lines = (folder / name).read_text(encoding="utf-8-sig").splitlines()[1:]
        rows = [line.split("\t") for line in lines if line.strip()]
        return [((row[3], row[4]), float(row[0])) for row in rows]

    return {"train": read("msr_paraphrase_train.txt"), "test": read("msr_paraphrase_test.txt")}


def read_stsb(folder: Path, seed: int) -> Parts:
    """Similarity of two sentences, 0 to 5; official parts."""

    def read(name: str) -> list[Example]:
        rows = [line.split("\t") for line in (folder / name).read_text(encoding="utf-8").splitlines() if line.strip()]
        return [((row[5], row[6]), float(row[4])) for row in rows]

    return {"train": read("sts-train.csv"), "validation": read("sts-dev.csv"), "test": read("sts-test.csv")}


READERS: dict[str, Callable[[Path, int], Parts]] = {
    "trec": read_trec, "subj": read_subj, "cola": read_cola, "mrpc": read_mrpc, "stsb": read_stsb,
}  # fmt: skip


def read_all(folder: Path, seed: int) -> dict[str, Parts]:
    """All five, with 15 % of the training rows as validation where there is no official validation part."""
    sets = {name: read(folder / name, seed) for name, read in READERS.items()}
    for name, parts in sets.items():
        if "validation" not in parts:
            random.Random(f"{name} {seed}").shuffle(parts["train"])
            count = round(0.15 * len(parts["train"]))
            parts["validation"], parts["train"] = parts["train"][:count], parts["train"][count:]
    return sets

"""The sets, and why the tasks of some of them are expected to peak far apart: stated before anything was trained."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.csv
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline
from torch import Tensor

import polytask as pt
from convergence_setups import SETUPS as CONVERGENCE
from convergence_setups.sentence_vectors import WIDTH
from convergence_setups.setup import Data, Setup
from convergence_setups.tables import folded_text, prepared_table
from convergence_setups.text import all_sentences, load_text
from decisions import late_starter
from grouping_study.sets import PARTS, load_tmc, regression

#: Set → why its tasks are expected to peak far apart; all others are expected to peak together.
APART = {
    "text": "2,900 to 8,500 sentences per task, and grammar is far harder than the rest",
    "text_tfidf": "as text",
    "text_hashed": "as text",
    "mixture": "72 to 6,276 training rows per set",
    "scm20d": "rows drift in time",
    "late": "a parity that is learned late, and a coin",
    "muv": "some twenty positive rows per task",
}
FAST, SLOW = (1e-3, 3e-3, 1e-2), (5e-4, 1e-3, 3e-3)
MUV_ROWS = 10_000
MIXED = {"scm20d": 4, "jura": 3, "edm": 2, "slump": 3}


def sentences(analyzer: str, hashed: bool, texts: list[str]) -> Tensor:
    """``[n, WIDTH / 2]`` by words or by characters: hashed, or TF-IDF and its singular vectors."""
    names = {"analyzer": analyzer, "ngram_range": (1, 2) if analyzer == "word" else (2, 4)}
    if hashed:
        return torch.from_numpy(HashingVectorizer(n_features=WIDTH // 2, **names).transform(texts).toarray()).float()
    words = TfidfVectorizer(min_df=3, max_features=20_000, sublinear_tf=True, **names)
    return torch.from_numpy(make_pipeline(words, TruncatedSVD(WIDTH // 2, random_state=0)).fit_transform(texts)).float()


@lru_cache(maxsize=2)
def bag_of_words(hashed: bool, folder: Path, cache: Path) -> dict[str, Tensor]:
    """A vector of every sentence, in place of that of a pretrained model; singular vectors are of all sentences."""
    path = cache / f"{'hashed' if hashed else 'tfidf'}.npy"
    texts = all_sentences(folder)
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, torch.cat([sentences(unit, hashed, texts) for unit in ("word", "char_wb")], 1).numpy())
    return dict(zip(texts, torch.from_numpy(np.load(path)), strict=True))


def load_muv(folder: Path, cache: Path, seed: int) -> Data:
    """17 binary tasks on hashed n-grams; all rows with a positive label, and some others."""
    table = pyarrow.csv.read_csv(folder / "muv" / "muv.csv.gz")
    targets = tuple(table.column_names[1:])
    positives = np.stack([np.asarray(pc.fill_null(table[name], 0)) for name in targets], 1).any(1)
    others = np.random.default_rng(0).permutation(np.flatnonzero(~positives))[:MUV_ROWS]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "muv.csv"
        pyarrow.csv.write_csv(table.take(np.sort(np.concatenate([np.flatnonzero(positives), others]))), path)
        data = prepared_table({"data": str(path), "targets": targets, "seed": seed})
    return folded_text(data)


def load_late(folder: Path, cache: Path, seed: int) -> Data:
    with tempfile.TemporaryDirectory() as temporary:
        return prepared_table(late_starter(Path(temporary)) | {"seed": seed})


def load_mixture(folder: Path, cache: Path, seed: int) -> Data:
    """Four sets of measurements, each with columns of its own: others' are 0, their labels missing."""
    sets = {name: regression(name, in_time=False)(folder, seed) for name in MIXED}
    width, before, tasks = sum(one.width for one in sets.values()), 0, []
    inputs: dict[str, list[Tensor]] = {part: [] for part in PARTS}
    targets: dict[str, list[Tensor]] = {part: [] for part in PARTS}
    for name, one in sets.items():
        first = len(tasks)
        tasks += [replace(task, name=f"{name}_{task.name}") for task in one.tasks[: MIXED[name]]]
        for part in PARTS:
            own, rows = one.rows[part].inputs["numeric"], len(one.rows[part])
            inputs[part].append(torch.zeros(rows, width))
            inputs[part][-1][:, before : before + one.width] = own
            targets[part].append(torch.full((rows, sum(MIXED.values())), torch.nan))
            targets[part][-1][:, first : len(tasks)] = one.rows[part].targets[:, : MIXED[name]]
        before += one.width
    rows = {part: pt.Rows.from_matrix({"numeric": torch.cat(inputs[part])}, torch.cat(targets[part])) for part in PARTS}
    return Data(tuple(tasks), rows, partial(network, width))


def network(width: int, tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
    torch.manual_seed(seed)
    return pt.MultiTaskModel(pt.TableEncoder(numeric=width, hidden=(128, 64), dropout=dropout), tasks)


def study(load: Callable[[Path, int], object]) -> Callable[[Path, Path, int], Data]:
    """A set of the study of groupings."""

    def load_set(folder: Path, cache: Path, seed: int) -> Data:
        data = load(folder, seed)
        return Data(data.tasks, data.rows, partial(network, data.width))

    return load_set


def words(hashed: bool) -> Callable[[Path, Path, int], Data]:
    return lambda folder, cache, seed: load_text(folder, cache, seed, partial(bag_of_words, hashed))


TEMPERATURE = {"sampling": "temperature", "sampling_temperature": 2.0}
LENGTH = {"steps": 600, "batch_size": 256, "evaluate_every": 10}
SETS: dict[str, Setup] = {
    one.name: one
    for one in (
        *(replace(CONVERGENCE[name], **LENGTH) for name in ("text", "tox21", "census", "scm20d", "multi_fashion")),
        Setup("text_tfidf", words(hashed=False), learning_rates=SLOW, extra=TEMPERATURE, **LENGTH),
        Setup("text_hashed", words(hashed=True), learning_rates=SLOW, extra=TEMPERATURE, **LENGTH),
        Setup("mixture", load_mixture, learning_rates=FAST, extra=TEMPERATURE, **LENGTH),
        Setup("late", load_late, learning_rates=FAST, **LENGTH),
        Setup("muv", load_muv, learning_rates=SLOW, **LENGTH),
        Setup("tmc2007", study(load_tmc), learning_rates=SLOW, **LENGTH),
        Setup("rf1", study(regression("rf1", in_time=False)), learning_rates=FAST, **LENGTH),
        Setup("wq", study(regression("wq", in_time=False)), learning_rates=SLOW, **LENGTH | {"batch_size": 64}),
    )
}

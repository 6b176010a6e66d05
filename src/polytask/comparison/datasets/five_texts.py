"""Five tasks on English sentences, every one with separate inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...display.display import Display
from ...errors import UserError
from .census import write_parquet
from .files import DataFile
from .sentences import TREC, Parts, read_all

_SENTEVAL = "https://github.com/yan-soares/research_embeddings_fine_tuning/raw/045c5e94/data/downstream"
_COLA = "https://github.com/amrnag/Specialized-Transformers/raw/fa673a93/data/CoLA"
#: Columns of the inputs; a single sentence leaves the second one empty.
INPUTS = ("sentence", "sentence_2")
KINDS = {"trec": "multiclass", "subj": "binary", "cola": "binary", "mrpc": "binary", "stsb": "regression"}
METRICS = {"subj": "accuracy", "cola": "matthews", "mrpc": "accuracy", "stsb": "spearman"}
SHA256 = {
    "cola/dev.tsv": "8c013e21dc39957cac37378d87bebe225b694a0d5fe13eded66c2856628833fd",
    "cola/train.tsv": "e1a908079e16a3758dfd439b2aedb4edbd3c1f4d3acb1876f4b920aa92c7d358",
    "cola/val.tsv": "7db5a40c6af005593a832f4ca018d3ae1a6dc33ea6fd2eb62cabf46caaf1c9dc",
    "mrpc/msr_paraphrase_test.txt": "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784",
    "mrpc/msr_paraphrase_train.txt": "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89",
    "stsb/sts-dev.csv": "5d7e944d8b02734b07bfdb5df67db3420c64bed153fcaa1ba47ad03480cf4234",
    "stsb/sts-test.csv": "affe45928a66ee5a708531233c95b7dacbbdc57f974f002a3d32ea0180cf816a",
    "stsb/sts-train.csv": "0f71910b59aa1ad973c5897f0791f3b0965a92b8f82b1a95f3eea9f4162fda82",
    "subj/subj.objective": "d8ccd43f1674f1c17e4ab717564e3561cfb719b0db4cfb19e5677427c68ff8a1",
    "subj/subj.subjective": "274c2ffe59c204dc4df779848561786f59a98cc20dda3cfdd7d9f76a4f730710",
    "trec/TREC_10.label": "86ad53c8fc9d397ab2f4be7c967d8efb470b260140557d3e57afad69d1b88b76",
    "trec/train_5500.label": "8bd6e79493f43bbd22c364587366a1dced54e1e31259eaa92721a0f526031116",
}
_FOLDERS = {"trec": "TREC", "subj": "SUBJ", "mrpc": "MRPC", "stsb": "STS/STSBenchmark/stsbenchmark"}


def five_texts(folder: Path, display: Display) -> dict[str, Any]:
    """Questions, subjectivity, grammar, paraphrases and similarity: hashed words, no pretrained model."""
    sources = []
    paths = {name: _file(name).path(display) for name in SHA256}
    folders = {path.parent.parent for path in paths.values()}
    if len(folders) > 1:
        raise UserError(
            f"text: expected all files below one folder, found them in {', '.join(map(str, sorted(folders)))}"
        )
    raw = folders.pop()
    for task, parts in read_all(raw, seed=0).items():
        path = folder / f"text-{task}.parquet"
        if not path.exists():
            write_parquet(as_table(task, parts), path)
        sources.append({"table": str(path), "targets": [task]})
    return {"data": sources, "targets": list(KINDS), "kind": KINDS, "metric": METRICS, "split": "split",
            "column_kind": dict.fromkeys(INPUTS, "text"), "sampling": "temperature"}  # fmt: skip


def as_table(task: str, parts: Parts) -> pa.Table:
    """One task's examples of all parts."""
    rows = [(part, *example) for part, examples in parts.items() for example in examples]
    labels: Sequence[Any] = [TREC[int(label)] if task == "trec" else label for _, _, label in rows]
    return pa.table({
        INPUTS[0]: [sentences[0] for _, sentences, _ in rows],
        INPUTS[1]: [sentences[1] if len(sentences) > 1 else "" for _, sentences, _ in rows],
        task: [int(label) for label in labels] if KINDS[task] == "binary" else labels,
        "split": [part for part, *_ in rows],
    })  # fmt: skip


def _file(name: str) -> DataFile:
    task, file = name.split("/")
    url = f"{_COLA}/{file}" if task == "cola" else f"{_SENTEVAL}/{_FOLDERS[task]}/{file}"
    return DataFile(f"text/{name}", SHA256[name], url)

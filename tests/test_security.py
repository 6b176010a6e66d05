"""A folder or table from a stranger: nothing is unpickled, nothing imported unless trusted, names stay names."""

from __future__ import annotations

import ast
import gzip
import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import polytask as package
from polytask.config import Config, flat, make_config
from polytask.data.table import is_small
from polytask.errors import UserError
from polytask.runs import use
from polytask.runs.adding import AddingRun
from polytask.runs.bundle import kept_encoder
from polytask.runs.encoders import check_offline
from polytask.runs.fresh import NewRun
from polytask.runs.pipeline import _checked
from small_table import assert_refused, fit, polytask, table_rows, write_table

SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))
#: Modules that run code when they read, and the calls of others that do.
PICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "pandas"}
CALLS = {"torch.load", "torch.save", "torch.hub.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system",
         "eval", "exec", "compile", "__import__", "subprocess.run", "subprocess.Popen", "torch.jit.load",
         "torch.package.PackageImporter"}  # fmt: skip
#: Of YAML, by which code may be run.
LOADERS = {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}
#: The only places that import by a name that is not written in the source.
IMPORTING = {"balancing/extras.py", "runs/encoders.py", "comparison/fingerprint.py", "extras.py",
             "task/kinds/__init__.py", "data/formats/__init__.py", "models/encoders/numbers.py"}  # fmt: skip
EVIL = "import pathlib\npathlib.Path({!r}).write_text('it ran')\n"
NAMES = ("../../escaped", '<script>alert("x")</script>', "a" * 300, "CON", "x/y\\z", '"><img src=x onerror=alert(1)>')


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(path: Path) -> list[str]:
    """What a source does that could run what it reads."""
    place, found = path.relative_to(Path(package.__file__).parent).as_posix(), []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            found += [name for name in names if name.partition(".")[0] in PICKLING]
        named_here = getattr(node, "attr", getattr(node, "value", None))
        if isinstance(node, ast.Attribute | ast.Constant) and isinstance(named_here, str) and named_here in LOADERS:
            found.append(named_here)
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            named = called.endswith(("import_module", "find_spec")) and not isinstance(node.args[0], ast.Constant)
            found += [called] if called in CALLS or (named and place not in IMPORTING) else []
            found += [word.arg for word in node.keywords if word.arg == "allow_pickle"]
    return [f"{place}: {name}" for name in found]


def test_no_source_unpickles_or_runs_text(tmp_path: Path) -> None:
    assert len(SOURCES) > 100 and not [fault for path in SOURCES for fault in faults(path)]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "torch.load(x)",
        "np.load(x, allow_pickle=True)",
        "import_module(x)",
        "yaml.UnsafeLoader(x)",
        "getattr(yaml, 'CLoader')(x)",
    ],
)
def test_such_a_source_would_be_found(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "new.py").write_text(line)
    assert faults(tmp_path / "new.py")


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run whose targets have the names of :data:`NAMES`, and its table."""
    folder = tmp_path_factory.mktemp("strange")
    rows = [{"key": row["key"], "a": row["a"], "<b>": row["b"], "../c": row["c"]} for row in table_rows(120)]
    for number, row in enumerate(rows):
        row |= {name: number // (k + 1) % 2 if k % 2 else round(row["<b>"] * k + number % 5, 3)
                for k, name in enumerate(NAMES)}  # fmt: skip
    data = write_table(folder / "table.csv", rows)
    options = {"data": "table.csv", "targets": list(NAMES), "id": "key", "networks": 2, "steps": 6, "evaluate_every": 2,
               "baselines": False, "threads": 1}  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(options))
    result = polytask("fit", folder / "study.yaml", "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder / "run", data


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.found.append((tag, attrs))


def test_names_are_text_in_the_page_and_never_paths(strange: tuple[Path, Path], tmp_path: Path) -> None:
    run, _ = strange
    assert polytask("report", run, "--figures", tmp_path / "deep" / "figures").exit_code == 0
    for path in [run / "report.html", *(tmp_path / "deep" / "figures").glob("*.svg")]:
        tags = Tags()
        text = path.read_text(encoding="utf-8")
        tags.feed(text)
        assert 'alert("x")' not in text and not [tag for tag, _ in tags.found if tag in ("img", "iframe", "object")]
        assert sum(tag == "script" for tag, _ in tags.found) == text.count("<script>") <= 1
        assert not [name for _, attrs in tags.found for name, _ in attrs if name.startswith("on")]
    assert len(list((tmp_path / "deep" / "figures").iterdir())) > len(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert {path.name for path in run.parent.iterdir()} == {"run", "table.csv", "study.yaml"}


def test_names_come_back_as_columns(strange: tuple[Path, Path], tmp_path: Path) -> None:
    import pyarrow.parquet

    run, data = strange
    assert polytask("predict", run, data, "--out", tmp_path / "p.parquet").exit_code == 0
    assert set(NAMES) <= set(pyarrow.parquet.read_table(tmp_path / "p.parquet").column_names)
    assert polytask("evaluate", run, data, "--json").exit_code == 0
    assert polytask("doctor", run, "--json").exit_code == 0


@pytest.fixture
def hostile(strange: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A run that names a module of a stranger's, and the file that is there if it has run."""
    import shutil

    run, ran = tmp_path / "run", tmp_path / "ran"
    shutil.copytree(strange[0], run)
    (tmp_path / "stranger.py").write_text(EVIL.format(str(ran)))
    for path in [*run.glob("networks/*/network.json")]:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"encoder": "stranger:Net"}))
    config = run / "config.yaml"
    config.write_text(yaml.safe_dump(flat(yaml.safe_load(config.read_text())) | {"encoder": {"class": "stranger:Net"}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "stranger", raising=False)
    return run, ran


def test_a_stranger_s_code_runs_only_if_trusted(hostile: tuple[Path, Path], strange: Any, tmp_path: Path) -> None:
    run, ran = hostile
    data = strange[1]
    commands = (
        ("predict", run, data, "--out", tmp_path / "p.parquet"),
        ("evaluate", run, data),
        ("export", run, "--format", "torch", "--out", tmp_path / "model.pt2"),
        ("serve", run),
        ("fit", "--out", run, "--resume"),
    )
    for command in commands:
        assert_refused(polytask(*command), str(run), "stranger:Net", "--trust")
    for harmless in (("report", run), ("doctor", run)):
        assert polytask(*harmless).exit_code == 0
    assert not ran.exists() and "stranger" not in sys.modules
    assert polytask("predict", run, data, "--out", tmp_path / "p.parquet", "--trust").exit_code == 2  # it has no Net
    assert ran.read_text() == "it ran"


def test_no_unpickling_while_a_run_is_used(strange: tuple[Path, Path], tmp_path: Path) -> None:
    found: list[str] = []
    watching = [True]
    sys.addaudithook(lambda event, _: found.append(event) if event.startswith("pickle.") and watching[0] else None)
    run, data = strange
    for command in (("predict", run, data, "--out", tmp_path / "p.csv"), ("evaluate", run, data), ("report", run)):
        assert polytask(*command).exit_code == 0
    watching[0] = False
    assert not found


@pytest.mark.slow
def test_no_key_but_encoder_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger.py").write_text(EVIL.format(str(tmp_path / "ran")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "stranger", raising=False)
    data = write_table(tmp_path / "table.csv", table_rows(30))
    name, refused = "stranger:Net", 0
    for key in sorted(set(Config.model_fields) - {"encoder"}):
        for value in (name, [name], {"class": name}, {"name": name}, {"click": name}, {"name": "dwa", "method": name}):
            values = {"data": str(data), "targets": ["click", "price"], "id": "key", key: value}
            try:
                config = make_config(values)
                variant = NewRun() if config.from_run is None else AddingRun.load(Path(config.from_run), False)
                _checked(variant, config, tmp_path / "run", False)
            except UserError:
                refused += 1
    assert refused > 200 and not (tmp_path / "ran").exists() and "stranger" not in sys.modules


def test_an_own_encoder_can_be_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_encoder.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, widths, size=4):\n        super().__init__()\n"
        "        self.layer = torch.nn.Linear(widths.numeric, size)\n\n"
        "    def forward(self, inputs):\n        return self.layer(inputs['numeric']).relu()\n"
    )
    monkeypatch.chdir(tmp_path)
    data = write_table(tmp_path / "table.csv", table_rows(60))
    options = ("--networks", 1, "--no-baselines", "--encoder", "own_encoder:Net", "--steps", 2)
    assert fit(data, tmp_path / "run", *options).exit_code == 0
    predict = ("predict", tmp_path / "run", data, "--out", tmp_path / "p.csv")
    assert_refused(polytask(*predict), "own_encoder:Net", "--trust")
    assert polytask(*predict, "--trust").exit_code == 0
    assert polytask("fit", "--out", tmp_path / "run", "--resume", "--trust").exit_code == 0


@pytest.mark.parametrize("encoder", ["hf:somebody/network", {"name": "hf:somebody/network"},
                                     {"name": "hf", "source": "somebody/network"}])  # fmt: skip
def test_a_stranger_s_run_asks_nobody_for_its_encoder(encoder: Any, tmp_path: Path) -> None:
    kept = kept_encoder(encoder, tmp_path)
    assert Path(kept["source"]).is_absolute() and Path(kept["source"]) == tmp_path / "encoder"
    with pytest.raises(UserError, match=r"Hugging Face hub.*--trust"):
        check_offline(encoder, tmp_path, trust=False)
    check_offline(encoder, tmp_path, trust=True)
    check_offline(f"hf:{tmp_path}", tmp_path, trust=False)


def test_a_compressed_table_is_small_by_what_it_decodes_to(tmp_path: Path) -> None:
    for name, lines, small in (("few.csv.gz", 10, True), ("bomb.csv.gz", 1 << 23, False)):
        with gzip.open(tmp_path / name, "wb", compresslevel=1) as stream:
            stream.write(b"0,0\n" * lines)
        assert is_small(tmp_path / name, use.SMALL_ROWS, use.SMALL_BYTES) is small
    assert (tmp_path / "bomb.csv.gz").stat().st_size < use.SMALL_BYTES / 10

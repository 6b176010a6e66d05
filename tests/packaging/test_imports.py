"""What is loaded when: nothing with the package, PyTorch when a name is used, heavy libraries when they are needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import polytask
from polytask import estimators
from polytask.grouping.affinity import ESTIMATORS
from polytask.grouping.strategies import GROUPINGS
from polytask.models import SHARING
from small_table import polytask as command
from small_table import table_rows, write_table

SOURCE = Path(polytask.__file__).parent
#: Loaded at use only, as are all packages of the extras.
HEAVY = {"lightning_fabric", "torchmetrics", "sklearn", "scipy", "pandas", "matplotlib", "pydantic", "jinja2"}
EXTRAS = {"torchjd", "onnx", "onnxruntime", "optuna", "mlflow", "tensorboard", "PIL", "ray", "pytorch_lightning",
          "transformers", "accelerate", "fastapi", "uvicorn", "prometheus_client", "resvg_py"}  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Top-level packages in ``sys.modules`` after ``code`` in a new process."""
    script = f"{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_import_loads_no_library() -> None:
    assert not loaded_after("import polytask") & (HEAVY | EXTRAS | {"torch", "numpy", "pyarrow", "typer"})


def test_help_does_not_wait_for_pytorch() -> None:
    code = "from polytask.cli import app\napp(['fit', '--help'], standalone_mode=False)"
    assert not loaded_after(code) & (HEAVY - {"pydantic"} | EXTRAS | {"torch", "pyarrow"})  # rich loads pydantic


def test_help_names_what_there_is() -> None:
    """The names are written down in the options, so that `--help` need not import what they belong to."""
    words = {name: set(re.findall(r"\w+", command(name, "--help").output)) for name in ("fit", "affinity")}
    assert {*GROUPINGS, *SHARING} <= words["fit"]
    assert set(ESTIMATORS) <= words["affinity"]


def test_the_names_of_the_package_need_pytorch_but_no_heavy_library() -> None:
    """Those of scikit-learn's interface aside, which are classes of its own; settings are checked by pydantic."""
    ours = [name for name in polytask.__all__ if name not in {*estimators.__all__}]
    loaded = loaded_after(f"import polytask\nfound = [getattr(polytask, name) for name in {ours}]")
    assert "torch" in loaded
    assert not loaded & (HEAVY - {"pydantic"} | EXTRAS)


@pytest.mark.slow
def test_a_short_fit_waits_for_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    """Most of the time of a fit of few steps was imports: of a compiler, of processes, of metrics of texts."""
    table = write_table(tmp_path / "table.csv", table_rows(60))
    options = ["fit", str(table), "--targets", "click,price", "--id", "key", "--steps", "3", "-q", "--no-baselines",
               "--set", "training.threads=1", "--ignore", "note"]  # fmt: skip  # linear models judge columns of text
    code = f"from polytask.cli import app\napp({[*options, '--out', str(tmp_path / 'run')]}, standalone_mode=False)\n"
    code += "import sys\nassert not {'torch._dynamo', 'scipy.stats'} & {*sys.modules}"
    loaded = loaded_after(code)
    assert not loaded & {"lightning_fabric", "torchmetrics", "sklearn", "transformers", "optuna"}
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("mistake", [("--targets", "clik"), ("--targets", "click", "--features", "agge")])
def test_a_mistake_in_a_column_does_not_wait_for_pytorch(tmp_path: Path, mistake: tuple[str, ...]) -> None:
    table = write_table(tmp_path / "table.csv", table_rows(60))
    options = ["fit", str(table), *mistake, "--out", str(tmp_path / "run")]
    code = "from polytask.cli import app\nfrom polytask.errors import UserError\n"
    code += f"try:\n app({options}, standalone_mode=False)\n"
    code += "except UserError as error:\n assert 'did you mean' in str(error)"
    assert "torch" not in loaded_after(code)


def test_a_prediction_loads_nothing_that_trains() -> None:
    code = "import polytask.runs.use, sys\n"
    code += "print(*{'.'.join(name.split('.')[:3]) for name in sys.modules if name.startswith('polytask')})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "polytask.runs.bundle" in loaded
    trains = {
        f"polytask.{name}" for name in ("balancing", "grouping", "distillation", "training.loop", "runs.pipeline")
    }
    assert not loaded & trains


@pytest.mark.slow
def test_every_part_can_be_imported_first() -> None:
    """Circles among modules are hidden as long as another module is always imported before."""
    parts = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
    code = "import os, sys, importlib, torch, typer, pydantic, pyarrow.dataset, sklearn.ensemble, jinja2\n"
    code += "for name in sys.argv[1:]:\n if os.fork() == 0:\n  try:\n   importlib.import_module(f'polytask.{name}')\n"
    code += "  except ImportError as error:\n   print(f'{name}: {error}', flush=True)\n  os._exit(0)\n os.wait()"
    done = subprocess.run([sys.executable, "-c", code, *parts], capture_output=True, text=True, check=True)
    assert len(parts) > 10
    assert done.stdout.splitlines() == []


def test_dir_knows_all_names() -> None:
    assert set(polytask.__all__) <= set(dir(polytask))

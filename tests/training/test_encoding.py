"""The encoder in parts, and compiled: the same step in another way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import weakref

import pytest
import torch
from torch import nn

import polytask as pt
from polytask.balancing import BALANCERS
from polytask.grouping.affinity import ESTIMATORS
from polytask.models import SHARING
from polytask.training.callbacks import AffinityProbe
from polytask.training.encoding import represent_in_parts
from small_training import INPUTS, TASKS, make_model, make_rows, train

ROWS = make_rows(missing=0.5)
#: Few enough steps for rounding not to grow.
SETTINGS = {"steps": 6, "batch_size": 12, "gradient_clip": 1.0, "evaluate_every": 6}


def balancer(name: str) -> pt.Balancer:
    return BALANCERS[name](**({"values": {}} if name == "static" else {}))


def found(name: str = "equal", callbacks: tuple[pt.Callback, ...] = (), sharing: str = "hard", **settings):
    torch.manual_seed(5)
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())
    model = pt.MultiTaskModel(encoder, TASKS, sharing=sharing)
    return train(*callbacks, train=ROWS, model=model, balancer=balancer(name), settings=SETTINGS | settings)


def assert_alike(one: pt.training.TrainingResult, other: pt.training.TrainingResult) -> None:
    torch.testing.assert_close(dict(one.model.state_dict()), dict(other.model.state_dict()), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", BALANCERS)
def test_in_parts_every_method_takes_the_same_steps(name: str) -> None:
    assert_alike(found(name, accumulate=3), found(name))


@pytest.mark.parametrize("sharing", SHARING)
def test_every_way_of_sharing(sharing: str) -> None:
    assert_alike(found(sharing=sharing, accumulate=3), found(sharing=sharing))


@pytest.mark.parametrize("estimator", [name for name in ESTIMATORS if name != "factored"])
def test_affinity_is_the_same(estimator: str) -> None:
    one, other = (found(callbacks=(AffinityProbe(every=2, estimator=estimator),), accumulate=n) for n in (1, 3))
    pairs = [result.callbacks["affinity"]["statistics"]["sums"] for result in (one, other)]
    torch.testing.assert_close(*pairs, rtol=1e-4, atol=1e-6)


def test_automatic_affinity_takes_an_estimator_that_fits() -> None:
    result = found(callbacks=(AffinityProbe(every=2),), accumulate=2)
    assert result.callbacks["affinity"]["settings"]["estimator"] == "gramian"
    with pytest.raises(pt.UserError, match="accumulate"):
        found(callbacks=(AffinityProbe(every=2, estimator="factored"),), accumulate=2)


def test_running_statistics_see_every_row_once() -> None:
    results = [train(train=ROWS, model=make_model(norm=True), settings=SETTINGS | {"accumulate": n}) for n in (1, 3)]
    counts = [result.model.encoder[1].num_batches_tracked for result in results]
    assert counts[1] == 3 * counts[0]


def test_masks_are_drawn_once() -> None:
    """The backward pass of a part sees the dropout masks of its forward pass."""
    drop = nn.Sequential(nn.Dropout(0.5), nn.Linear(64, 1, bias=False))
    inputs = torch.ones(2, 64, requires_grad=True)
    represent = pt.MultiTaskModel(drop, [pt.Task("a")], features=1).represent
    features = represent_in_parts(represent, drop, 2, inputs).features
    features.sum().backward()
    torch.testing.assert_close((inputs.grad * inputs).sum(1, keepdim=True), features)


def test_one_part_at_a_time_is_kept() -> None:
    """Of what the layers find nothing is alive after the forward pass, and one part at most in the backward pass."""
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0

    class Seen(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal most
            found = torch.exp(x)  # kept for the backward pass
            alive.append(weakref.ref(found))
            most = max(most, sum(tensor() is not None for tensor in alive))
            return found * 2

    layer = nn.Sequential(nn.Linear(4, 4), Seen(), nn.Linear(4, 4))
    model = pt.MultiTaskModel(layer, [pt.Task("a")])
    features = represent_in_parts(model.represent, model, 4, torch.ones(8, 4)).features
    assert most == 1 and sum(tensor() is not None for tensor in alive) == 0
    features.sum().backward()
    assert len(alive) == 8 and most == 1


@pytest.mark.parametrize("way", [{"accumulate": 2}, {"compile": True}])
def test_what_has_to_see_the_layers_is_refused_at_once(way: dict[str, object]) -> None:
    with pytest.raises(pt.UserError, match="okd must observe the layers"):
        found(callbacks=(pt.OnlineDistillation(),), **way)
    with pytest.raises(pt.UserError, match="gramian"):
        train(train=ROWS, balancer=BALANCERS["upgrad"](gradients="gramian"), settings=SETTINGS | way)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.parametrize("name", ["dwa", "gradnorm", "upgrad"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_compiled(name: str, accumulate: int) -> None:
    assert_alike(found(name, compile=True, accumulate=accumulate), found(name))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_nothing_else_need_have_loaded_the_compiler() -> None:
    """Other tests load it; a command does not."""
    code = "import polytask as pt, torch\nfrom polytask.training.encoding import make_represent\n"
    code += "model = pt.MultiTaskModel(torch.nn.Linear(2, 2), [pt.Task('a')])\n"
    code += "make_represent(model, pt.TrainingSettings(compile=True))\n"
    code += "assert torch._functorch.config.donated_buffer is False"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_compile_states_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pt.UserError, match="install g"):
        found(compile=True)

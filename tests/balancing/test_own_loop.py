"""Methods in a loop of the user's: every cell of the table in docs/methods/compatibility.md."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import polytask as pt
from balancing.cases import Net, batch, gradients, make
from balancing.own_loop import CHECKS, GAPS, GRADIENT_METHODS, REFUSED, compiled, table
from polytask.balancing import BALANCERS, repeatable


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("check", CHECKS)
def test_works_together(check: str, name: str, request: pytest.FixtureRequest) -> None:
    if (check, name) in GAPS:
        request.applymarker(pytest.mark.xfail(reason=GAPS[check, name], strict=True))
    CHECKS[check](name)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.parametrize("name", ["uw", "gradnorm", "upgrad"])
def test_compiled_by_inductor(name: str) -> None:
    compiled(name, "inductor")


def test_table_is_up_to_date() -> None:
    file = Path(__file__).parents[2] / "docs" / "methods" / "compatibility.md"
    assert file.read_text(encoding="utf-8") == table(), f"run: python tests/balancing/own_loop.py {file}"


@pytest.mark.parametrize("case", [options for options, _ in REFUSED])
def test_what_cannot_work_is_refused_at_once(case: str) -> None:
    name, *options = case.split(", ")
    given = dict(option.split(": ") for option in options)
    with pytest.raises(pt.UserError, match=name):
        BALANCERS[name](**{key: int(value) if value.isdigit() else value for key, value in given.items()})


@pytest.mark.parametrize("name", [n for n in GRADIENT_METHODS if n not in ("db_mtl", "graddrop", "excess_mtl")])
def test_representation_under_a_gradient_scaler(name: str) -> None:
    found = []
    for scale in (1.0, 2.0**16):
        net, balancer = Net(), make(name, gradients="representation")
        features, losses = net.losses(*batch())
        balancer.backward(losses, features=features, shared=net.trunk.parameters(), backward=_scaled(scale))
        found.append(gradients(net) / scale)
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-6)


def _scaled(scale: float) -> Any:
    return lambda total: (scale * total).backward()


def test_representation_of_one_layer_is_exact_in_its_weights() -> None:
    """Where the representation is the parameters, both sources are the same."""
    theta = torch.randn(1, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = []
    for source in ("exact", "representation"):
        theta.grad = None
        features = theta * 1.0
        losses = {f"t{i}": (features[0] - i).square().sum() * (i + 1) for i in range(3)}
        weights = make("upgrad", gradients=source).backward(losses, shared=[theta], features=features)
        assert theta.grad is not None
        found.append(torch.cat([weights, theta.grad[0]]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_features_that_the_losses_do_not_read_are_refused() -> None:
    net = Net()
    _, losses = net.losses(*batch())
    with pytest.raises(pt.UserError, match="do not depend"):
        make("upgrad").backward(losses, shared=net.trunk.parameters(), features=net.trunk(batch()[0]))


def test_compiled_encoder_states_which_setting_it_needs() -> None:
    torch._dynamo.reset()  # what earlier tests compiled has another setting
    net = Net()
    parameters = list(net.trunk.parameters())
    net.trunk = torch.compile(net.trunk, backend="aot_eager")  # type: ignore[assignment]
    sum(net.losses(*batch())[1].values()).backward()  # type: ignore[union-attr]
    features, losses = net.losses(*batch())
    with pytest.raises(pt.UserError, match="donated_buffer = False"):
        make("upgrad").backward(losses, shared=parameters, features=features)
    make("upgrad", gradients="representation").backward(losses, features=features)


def test_representation_needs_features() -> None:
    with pytest.raises(pt.UserError, match="features="):
        make("upgrad", gradients="representation").backward(Net().losses(*batch())[1])


def test_gramian_mode_stores_no_rows() -> None:
    """The cost says so, and attach is asked for."""
    net, balancer = Net(), make("upgrad", gradients="gramian")
    features, losses = net.losses(*batch())
    with pytest.raises(pt.UserError, match="attach"):
        balancer.backward(losses, features=features, shared=net.trunk.parameters())
    assert "3 x 3" in balancer.cost(net.trunk.parameters())
    exact = make("upgrad")
    exact.bind(["a", "b", "c"])
    assert exact.cost(net.trunk.parameters()) == (
        "per step: 3 backward passes, 3 tasks x 94 shared parameters x 4 bytes = 0.0 MB of gradients"
    )


def test_second_forward_changes_no_running_statistic_and_no_random_state() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5))
    again = repeatable(model)
    first = model(torch.ones(6, 4))
    buffers, state = [buffer.clone() for buffer in model.buffers()], torch.get_rng_state()
    with again():
        second = model(torch.ones(6, 4))
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_losses_instead_of_a_function_are_refused() -> None:
    with pytest.raises(pt.UserError, match="expected a function that computes the losses again, found dict"):
        BALANCERS["famo"]().after_step({"a": torch.ones(())})


def test_importing_the_package_does_not_import_torchjd() -> None:
    import subprocess
    import sys

    code = "import sys, polytask.cli; sys.exit('torchjd' in sys.modules or 'cvxpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", BALANCERS)
def test_fit_with_every_method(name: str) -> None:
    """The project's own loop, with missing labels and all kinds of tasks."""
    torch.manual_seed(0)
    x = torch.randn(120, 4)
    targets = torch.stack([(x[:, 0] > 0).float(), x.sum(1), torch.randint(0, 3, (120,)).float()], 1)
    tasks = [
        pt.Task("a", weight=2.0),
        pt.Task("b", kind="regression"),
        pt.Task("c", kind="multiclass", classes=("0", "1", "2")),
    ]
    rows = pt.Rows(x, targets, torch.rand(120, 3) < 0.7)
    model = pt.MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh()), tasks, features=16)
    settings = pt.TrainingSettings(steps=30, batch_size=24, learning_rate=2e-2, evaluate_every=10)
    result = pt.fit(model, train=rows, validation=rows, balancer=make(name), settings=settings)
    assert result.tasks["a"].validation > 0.8
    assert len(set(result.history[-1].weights)) == 3

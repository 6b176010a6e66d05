"""Training with every sharing architecture: balancers, affinity, convergence, absent tasks, resuming."""

import pytest
import torch
from torch import nn

from polytask import AffinityProbe, AsynchronousConvergence, MultiTaskModel, UserError
from polytask.balancing import BALANCERS, DWA, GradientBalancer
from polytask.config import TrainingSettings
from polytask.models import ARCHITECTURES
from polytask.training.optimizer import absent_tasks_kept, make_optimizer
from small_training import INPUTS, RARE, TASKS, Interrupt, assert_same_result, make_rows, train

OPTIONS = {"static": {"values": {"spam": 2.0}}}
EXACT = {
    (name, sharing): {"gradients": "exact"}
    for name, sharing in [("gradnorm", "cross_stitch"), *(("graddrop", s) for s in ("ple", "cross_stitch", "mtan"))]
}


def make(sharing: str, dropout: float = 0.0) -> MultiTaskModel:
    torch.manual_seed(5)
    layers = [nn.Linear(INPUTS, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 6), nn.ReLU()]
    return MultiTaskModel(nn.Sequential(*layers), TASKS, sharing=sharing)


@pytest.fixture(params=ARCHITECTURES)
def sharing(request) -> str:
    return request.param


@pytest.mark.parametrize("balancer", BALANCERS)
def test_every_balancer_trains_every_architecture(sharing, balancer):
    options = OPTIONS.get(balancer, EXACT.get((balancer, sharing), {}))
    before = make(sharing)
    result = train(
        model=make(sharing),
        train=make_rows(missing=0.2),
        balancer=BALANCERS[balancer](**options),
        settings={"steps": 4, "evaluate_every": 4},
    )
    assert all(bool(parameter.isfinite().all()) for parameter in result.model.parameters())
    changed = [not torch.equal(a, b) for a, b in zip(before.parameters(), result.model.parameters(), strict=True)]
    assert sum(changed) > len(changed) / 2


@pytest.mark.parametrize("gradients", ["representation", "gramian"])
def test_cheaper_gradients_where_there_is_a_cut(sharing, gradients):
    balancer = BALANCERS["upgrad"](gradients=gradients)
    if gradients == "representation" and not make(sharing).has_cut:
        with pytest.raises(UserError, match=f"sharing '{sharing}' has none"):
            train(model=make(sharing), balancer=balancer)
        return
    result = train(model=make(sharing), balancer=balancer, settings={"steps": 4, "evaluate_every": 4})
    assert all(bool(parameter.isfinite().all()) for parameter in result.model.parameters())


def test_gramian_and_exact_agree(sharing):
    found = []
    for gradients in ("exact", "gramian"):
        settings = {"steps": 4, "evaluate_every": 4, "optimizer": "sgd"}
        found.append(train(model=make(sharing), balancer=BALANCERS["upgrad"](gradients=gradients), settings=settings))
    for one, other in zip(found[0].model.parameters(), found[1].model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_only_gradient_balancers_can_be_refused():
    assert all(issubclass(BALANCERS[name], GradientBalancer) for name, _ in EXACT)


def test_what_absent_tasks_own_is_left_alone(sharing):
    model = make(sharing)
    optimizer = make_optimizer(model.parameters(), TrainingSettings(weight_decay=0.1, learning_rate=0.05))
    for absent in ((), (0, 2)):
        outputs = model(torch.randn(6, INPUTS))
        sum(outputs[t.name].square().sum() for p, t in enumerate(TASKS) if p not in absent).backward()
        own = [part for task in absent for part in model.task_parameters(task)]
        other = [part for task in (1, 3) for part in model.task_parameters(task)]
        before = [parameter[rows].clone() for parameter, rows in (*own, *other)]
        with absent_tasks_kept(optimizer, own):
            optimizer.step()
        optimizer.zero_grad()
        same = [torch.equal(old, p[rows]) for old, (p, rows) in zip(before, (*own, *other), strict=True)]
        assert all(same[: len(own)]) and not any(same[len(own) :])


def test_convergence_affinity_and_resuming_work_as_in_hard_sharing(sharing, tmp_path):
    def run(folder, stop: int | None = None):
        callbacks = [
            AffinityProbe(every=5),
            AsynchronousConvergence(patience=1, min_evaluations=2, tail=2, min_errors=1.0),
        ]
        settings = {"checkpoint_seconds": RARE if stop is None else 0.0, "ema": 0.9}
        options = {"train": make_rows(missing=0.3), "settings": settings, "balancer": DWA(), "folder": folder}
        return train(Interrupt(stop), *callbacks, model=make(sharing, dropout=0.2), **options)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "again", stop=13)
    again = run(tmp_path / "again")
    assert any(result.converged_epoch is not None for result in whole.tasks.values())
    assert_same_result(whole, again)

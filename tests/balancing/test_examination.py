"""One examination that every registered method takes. What a method cannot do stands in GAPS, with the reason."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from balancing.cases import TASKS, Net, aggregate, batch, gradients, make, make_for_any, step
from balancing.processes import AT_REPRESENTATION, IDLE, two_processes
from polytask.balancing import BALANCERS, GradientBalancer
from polytask.errors import UserError

GAPS: dict[tuple[str, str], str] = {
    ("permutation", "rlw"): "the draw belongs to the position of a task",
    ("absent_as_if_not_there", "rlw"): "draws one number per task, whether present or not",
    ("absent_keeps_state", "gradnorm"): "all weights are renormalised to sum to K, as the method prescribes",
    ("reaches_an_optimum", "db_mtl"): "running means of gradients, all at the largest norm, overshoot; beta=0 arrives",
    ("user_weights", "graddrop"): "finds no weights: the user's multiply the gradients beforehand",
}
#: With two tasks there is only one order in which a task can meet the others.
RANDOM_ORDER = {"pcgrad", "gradvac"}
DIRECTION_ONLY = {"cagrad", "nash_mtl", "fairgrad", "scale_invariant", "db_mtl", "uw", "static", "stch", "imtl_l"}


def shape_and_finite(name: str) -> None:
    net, balancer = Net(), make(name)
    weights = step(net, balancer, batch())
    assert weights.shape == (3,) and torch.isfinite(weights).all()
    assert torch.isfinite(gradients(net)).all() and gradients(net.trunk).abs().sum() > 0
    for head in net.heads:
        assert gradients(head).abs().sum() > 0


def permutation(name: str) -> None:
    found = []
    tasks = TASKS[:2] if name in RANDOM_ORDER else TASKS
    for order in (tasks, tasks[::-1]):
        net, balancer = Net(), make(name)
        balancer.bind(order)
        for seed in (1, 2):
            weights = step(net, balancer, batch(seed), tasks)
        found.append((dict(zip(order, weights.tolist(), strict=True)), gradients(net.trunk)))
    assert found[0][0] == pytest.approx(found[1][0], rel=2e-3, abs=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=2e-3, atol=1e-5)


def one_task(name: str) -> None:
    row = torch.tensor([[3.0, -4.0, 12.0]])
    balancer = make_for_any(name)
    update = aggregate(balancer, row)[0]
    torch.testing.assert_close(update / update.norm(), row[0] / 13, rtol=1e-5, atol=1e-6)
    if name not in DIRECTION_ONLY:
        torch.testing.assert_close(update, row[0], rtol=1e-4, atol=1e-4)


def absent_as_if_not_there(name: str) -> None:
    alone, among = Net(), Net()
    few = make(name)
    few.bind(["a", "c"])
    many = make(name)
    many.bind(TASKS)
    weights_few = step(alone, few, batch(), ["a", "c"])
    weights_many = step(among, many, batch(), ["a", "c"])
    torch.testing.assert_close(weights_many[[0, 2]], weights_few, rtol=1e-3, atol=1e-5)
    assert weights_many[1] == 0
    torch.testing.assert_close(gradients(among.trunk), gradients(alone.trunk), rtol=1e-3, atol=1e-5)
    assert gradients(among.heads[1]).abs().sum() == 0


def absent_keeps_state(name: str) -> None:
    net, balancer = Net(), make(name)
    for seed in (1, 2):
        step(net, balancer, batch(seed))
    before = {key: value.clone() for key, value in balancer.state_dict().items()}
    step(net, balancer, batch(3), ["a", "c"])
    for key, value in balancer.state_dict().items():
        for dimension, size in enumerate(value.shape):
            if size == 3:
                old, new = (part.select(dimension, 1) for part in (before[key], value))
                if old.ndim == 1 and old.shape[0] == 3:  # a pair of tasks
                    old, new = old[1], new[1]
                torch.testing.assert_close(new, old, rtol=0, atol=0, equal_nan=True, msg=f"{key} of the absent task")
                break


def zero_loss(name: str) -> None:
    _edge(name, 0.0)


def zero_gradient(name: str) -> None:
    _edge(name, 1.0)


def _edge(name: str, constant: float) -> None:
    """One task is solved, or stuck: no NaN, and the others go on."""
    balancer = make(name)
    for _ in range(3):
        theta = torch.tensor([1.0, 2.0], requires_grad=True)
        losses = {"a": (theta**2).sum(), "b": 0 * theta.sum() + constant, "c": (theta[0] - 3) ** 2}
        weights = balancer.backward(losses, shared=[theta])
        if balancer.needs.second_forward:
            balancer.after_step(lambda losses=losses: losses)
        assert torch.isfinite(weights).all() and theta.grad is not None and torch.isfinite(theta.grad).all()
        assert theta.grad.abs().sum() > 0 or (name in ("gls", "famo") and constant == 0)


def no_task_at_all(name: str) -> None:
    with pytest.raises(UserError, match="every task is absent"):
        make(name).backward({})


def unknown_task(name: str) -> None:
    balancer = make(name)
    balancer.bind(TASKS)
    with pytest.raises(UserError, match="is not a task"):
        balancer.backward({"z": torch.ones((), requires_grad=True)})


def user_weights(name: str) -> None:
    weights = {}
    for given in ({}, {"a": 3.0, "c": 0.5}):
        net, balancer = Net(), make(name)
        balancer.bind(TASKS, given)
        weights[bool(given)] = step(net, balancer, batch())
    torch.testing.assert_close(weights[True], weights[False] * torch.tensor([3.0, 1.0, 0.5]), rtol=1e-5, atol=0)
    assert name != "graddrop"


def resumes_bit_for_bit(name: str) -> None:
    def train(net: Net, balancer: Any, optimizer: Any, seeds: range) -> None:
        for seed in seeds:
            step(net, balancer, batch(seed), TASKS if seed % 3 else ["a", "b"], optimizer)
            balancer.observe_metrics({"a": 0.1 * seed, "b": 0.5})
            if seed % 2:
                balancer.end_epoch()

    straight, resumed = Net(), Net()
    whole, first, second = make(name), make(name), make(name)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.05) for net in (straight, resumed)]
    for balancer in (whole, first, second):
        balancer.bind(TASKS)
    train(straight, whole, optimizers[0], range(1, 9))
    train(resumed, first, optimizers[1], range(1, 5))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(resumed, second, optimizers[1], range(5, 9))
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def copies(name: str) -> None:
    """A deep copy is independent."""
    net, balancer = Net(), make(name)
    step(net, balancer, batch())
    copied = copy.deepcopy(balancer)
    steps = [step(Net(), which, batch(2)) for which in (balancer, copied)]
    assert torch.equal(steps[0], steps[1])


def reaches_an_optimum(name: str) -> None:
    """Three quadratics with one minimum and different scales."""
    goal = torch.tensor([1.0, -2.0, 0.5])
    theta = torch.zeros(3, requires_grad=True)
    slow = {"nash_mtl", "cagrad", "fairgrad"}
    balancer = make(name, **({"every": 8} if name in slow else {}))
    optimizer = torch.optim.Adam([theta], lr=0.2)

    def losses() -> dict[str, Tensor]:
        gap = theta - goal
        return {"a": (gap**2).sum() + 0.1, "b": 5 * (gap[:2] ** 2).sum() + 0.1, "c": 0.2 * gap[2] ** 2 + 0.1}

    steps = 120
    for number in range(steps):
        optimizer.param_groups[0]["lr"] = 0.2 * (1 - number / steps)
        optimizer.zero_grad()
        balancer.backward(losses(), shared=[theta])
        optimizer.step()
        if balancer.needs.second_forward:
            balancer.after_step(losses)
    assert (theta - goal).norm() < 0.05


CHECKS: list[Callable[[str], None]] = [
    shape_and_finite, permutation, one_task, absent_as_if_not_there, absent_keeps_state, zero_loss, zero_gradient,
    no_task_at_all, unknown_task, user_weights, resumes_bit_for_bit, copies, reaches_an_optimum,
]  # fmt: skip


def cases(check: str) -> list[Any]:
    return [
        pytest.param(
            name,
            marks=[pytest.mark.xfail(reason=GAPS[check, name], strict=True)] if (check, name) in GAPS else [],
        )
        for name in BALANCERS
    ]


@pytest.mark.parametrize(
    ("check", "name"),
    [
        pytest.param(check, *case.values, marks=case.marks, id=f"{check.__name__}-{case.values[0]}")
        for check in CHECKS
        for case in cases(check.__name__)
    ],
)
def test_examination(check: Callable[[str], None], name: str) -> None:
    check(name)


@pytest.fixture(scope="module")
def from_two_processes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    return two_processes(tmp_path_factory.mktemp("processes"))


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("way", ["by_hand", "ddp"])
def test_two_processes_equal_one(name: str, way: str, from_two_processes: dict[str, dict[str, Tensor]]) -> None:
    """Half batches on two processes give the step of the whole batch on one, by hand and under DDP."""
    found = from_two_processes[f"{name}/{way}"]
    net, balancer = Net(), make(name)
    balancer.bind(TASKS)
    for seed in (1, 2):
        weights = step(net, balancer, batch(seed))
    assert torch.equal(found["weights_0"], found["weights_1"])
    torch.testing.assert_close(found["gradients_0"], found["gradients_1"], rtol=0, atol=0)
    torch.testing.assert_close(found["weights_0"], weights, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found["gradients_0"], gradients(net), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("name", "way"), IDLE)
def test_a_process_without_any_task_contributes_nothing(
    name: str, way: str, from_two_processes: dict[str, dict[str, Tensor]]
) -> None:
    found = from_two_processes[f"{name}/idle {way}"]
    assert torch.equal(found["weights_0"].float(), found["weights_1"])
    torch.testing.assert_close(found["gradients_0"], found["gradients_1"], rtol=0, atol=0)
    if (name, way) == ("graddrop", "representation"):
        return  # draws for every sample, in the order of the samples of all processes
    net, balancer = Net(), make(name, **(AT_REPRESENTATION[name] if way == "representation" else {}))
    balancer.bind(TASKS)
    for seed in (1, 2):
        net.zero_grad(set_to_none=True)
        features, losses = net.losses(*batch(seed))
        weights = balancer.backward(
            losses, shared=net.trunk.parameters(), features=None if way == "shared" else features
        )
        if balancer.needs.second_forward:
            balancer.after_step(lambda losses=losses: losses)
    torch.testing.assert_close(found["weights_1"], weights, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found["gradients_0"], gradients(net), rtol=1e-3, atol=1e-5)


def test_counts_hold_for_the_second_forward_pass(from_two_processes: dict[str, dict[str, Tensor]]) -> None:
    """Losses that do not change leave the logits alone, however many labels each process has."""
    found = from_two_processes["famo at rest"]
    torch.testing.assert_close(found["logits_0"], torch.zeros(2), rtol=0, atol=1e-4)
    assert torch.equal(found["logits_0"], found["logits_1"])


@pytest.mark.parametrize("name", [n for n, m in BALANCERS.items() if issubclass(m, GradientBalancer)])
@pytest.mark.parametrize("heads", [False, True])
def test_sources_agree(name: str, heads: bool) -> None:
    """With features or without, and with Gramians only, the exact gradients are the same ones; heads as asked."""
    method: Any = BALANCERS[name]
    options = {"head_weighting": heads} if "head_weighting" in method.__init__.__annotations__ else {}
    if heads and not options:
        pytest.skip("has no choice of head weights")
    sources = [source for source in method.sources if source in ("exact", "gramian")]
    found = []
    for source in sources:
        for with_features in (True, False):
            net, balancer = Net(), method(**options, **({"gradients": source} if len(method.sources) > 1 else {}))
            balancer.bind(TASKS)
            balancer.attach(net.trunk)
            features, losses = net.losses(*batch())
            kept = balancer.backward(
                losses, shared=net.trunk.parameters(), features=features if with_features else None
            )
            found.append((kept, gradients(net.trunk), torch.cat([gradients(head) for head in net.heads])))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            torch.testing.assert_close(same, one, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["upgrad", "imtl_g", "pcgrad"])
def test_every_other_step_uses_the_last_weights(name: str) -> None:
    net, balancer = Net(), make(name, every=2)
    first = step(net, balancer, batch(1))
    assert torch.equal(step(net, balancer, batch(2)), first)
    trunk = gradients(net.trunk)
    net.zero_grad()
    (first @ torch.stack(list(net.losses(*batch(2))[1].values()))).backward()
    torch.testing.assert_close(trunk, gradients(net.trunk), rtol=1e-4, atol=1e-6)
    assert not torch.equal(step(net, balancer, batch(3)), first)


@pytest.mark.parametrize("name", ["upgrad", "mgda"])
def test_a_task_that_was_absent_has_its_weight_found_when_it_comes(name: str) -> None:
    """Weights of some methods are far from 1, which it would have until it is there in a step of new ones."""
    net, plain = Net(), Net()
    balancer, fresh = make(name, every=4), make(name)
    balancer.bind(TASKS)
    for number in range(9):
        features, losses = net.losses(*batch(number))
        if number % 4 == 0:
            del losses["a"]
        weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
        if number == 1:
            features, losses = plain.losses(*batch(1))
            torch.testing.assert_close(weights, fresh.backward(losses, shared=plain.trunk.parameters()))
            saved = copy.deepcopy(balancer.state_dict())
    restored = make(name, every=4)
    restored.load_state_dict(saved)
    features, losses = net.losses(*batch(2))
    before = restored.found.clone()
    restored.backward(losses, shared=net.trunk.parameters(), features=features)
    assert torch.equal(restored.found, before)  # it remembers that they are new


@pytest.mark.parametrize("name", BALANCERS)
def test_a_task_without_samples_is_absent_whatever_its_loss(name: str) -> None:
    """The mean of no sample is NaN."""
    found = []
    for given in (False, True):
        net, balancer = Net(), make(name)
        balancer.bind(TASKS)
        features, losses = net.losses(*batch())
        gone = list(losses)[1]
        losses |= {gone: losses[gone] * torch.nan} if given else {}
        if not given:
            del losses[gone]
        counts = {"counts": dict.fromkeys(losses, 8) | {gone: 0}} if given else {}
        balancer.backward(losses, shared=net.trunk.parameters(), features=features, **counts)
        found.append(gradients(net.trunk))
    assert found[1].isfinite().all()
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.parametrize("name", BALANCERS)
def test_an_epoch_without_a_step_changes_nothing(name: str) -> None:
    balancer, fresh = make(name), make(name)
    balancer.end_epoch()
    found = [step(Net(), one, batch()) for one in (balancer, fresh)]
    assert torch.equal(*found)


def test_a_metric_in_per_cent_is_refused() -> None:
    balancer = make("dtp")
    balancer.bind(TASKS)
    with pytest.raises(UserError, match="expected a skill of at most 1 for 'b', found 85"):
        balancer.observe_metrics({"a": 0.4, "b": 85.0})
    balancer.observe_metrics({"a": 1.0, "b": -3.0, "c": float("nan")})


def test_every_loss_has_a_count_or_none_has() -> None:
    net, balancer = Net(), make("dwa")
    _, losses = net.losses(*batch())
    first, *others = losses
    for wrong in (dict.fromkeys(others, 4), dict.fromkeys(others, 4) | {first: -1}):
        with pytest.raises(UserError, match=f"counts of '{first}': expected the number of samples"):
            balancer.backward(losses, counts=wrong)
    balancer.backward(losses, counts=dict.fromkeys(losses, 0))
    assert balancer.steps == 0 and not gradients(net).any()
    assert all(parameter.grad is not None for parameter in net.parameters())  # which DDP waits for


def test_not_finite_gradients_leave_the_state_alone() -> None:
    net, balancer = Net(), make("gradvac")
    step(net, balancer, batch())
    before = balancer.state_dict()["targets"].clone()
    features, losses = net.losses(*batch(2))
    losses["a"] = losses["a"] * torch.inf
    weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
    assert weights.isnan().any() and gradients(net).isnan().any()  # a gradient scaler skips this step
    assert torch.equal(balancer.state_dict()["targets"], before)

"""Numbers worked out by hand or with independent programs, method by method."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, tensor

import polytask as pt
from balancing.cases import J2, J, aggregate, make
from polytask import balancing as b
from polytask.balancing import BALANCERS

LOSSES = tensor([0.5, 2.0, 1.0])


def close(found: Tensor, *expected: float, atol: float = 2e-6) -> None:
    torch.testing.assert_close(found.detach().float(), tensor(expected, dtype=torch.float32), rtol=0, atol=atol)


def as_losses(values: Tensor) -> dict[str, Tensor]:
    return {name: value.clone().requires_grad_() for name, value in zip("abc", values, strict=True)}


def weights_of(balancer: b.Balancer, values: Tensor = LOSSES) -> Tensor:
    return balancer.backward(as_losses(values))


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (2, (1.030227, 1.083048, 0.886725)),
        (1, (1.054115, 1.164977, 0.780908)),
        (10, (1.006544, 1.016660, 0.976796)),
    ],
)
def test_dwa(temperature: float, expected: tuple[float, ...]) -> None:
    dwa = b.DWA(temperature)
    for epoch in ((1.0, 4.0, 2.0), (0.8, 3.6, 1.0)):
        close(weights_of(dwa, tensor(epoch)), 1, 1, 1)
        dwa.end_epoch()
    close(weights_of(dwa), *expected)


def test_dwa_without_a_defined_ratio_counts_it_as_one() -> None:
    close(b.dwa_weights(tensor([0.0, 1.0]), tensor([0.0, 1.0])), 1, 1)


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (0, (0.105361, 0.510826, 1.203973)),
        (0.5, (0.033318, 0.323074, 1.007316)),
        (1, (0.010536, 0.204330, 0.842781)),
        (2, (0.001054, 0.081732, 0.589947)),
    ],
)
def test_dtp(gamma: float, expected: tuple[float, ...]) -> None:
    close(b.dtp_weights(tensor([0.9, 0.6, 0.3]), gamma), *expected)


def test_dtp_running_mean_weighs_the_new_value_with_alpha() -> None:
    dtp = b.DTP(alpha=0.7)
    dtp.bind(["a"])
    dtp.observe_metrics({"a": 0.8})
    dtp.observe_metrics({"a": 0.5})
    close(dtp.level, 0.59)
    close(b.dtp_weights(dtp.level), 0.216329)
    dtp.observe_metrics({"a": math.nan})
    close(dtp.level, 0.59)


@pytest.mark.parametrize(
    ("alpha", "gradient", "stepped", "renormalised"),
    [
        (1.5, (2, -1, 0.5), (0.95, 1.025, 0.9875), (0.962025, 1.037975, 1.0)),
        (0.12, (2, -1, -0.5), (0.95, 1.025, 1.0125), (0.953975, 1.029289, 1.016736)),
    ],
)
def test_gradnorm(
    alpha: float, gradient: tuple[float, ...], stepped: tuple[float, ...], renormalised: tuple[float, ...]
) -> None:
    first, norms = tensor([1.0, 2.5, 4.0]), tensor([2.0, 1.0, 0.5])
    found = tensor(b.gradnorm_gradient([1.0, 1.0, 1.0], norms.tolist(), LOSSES.tolist(), first.tolist(), alpha))
    close(found, *gradient)
    close(torch.ones(3) - 0.025 * found, *stepped)
    # The same through the class: losses whose gradients for the shared layer have these norms.
    balancer = b.GradNorm(alpha, optimiser="sgd", l0=dict(zip("abc", first.tolist(), strict=True)))
    shared = torch.zeros(3, 1, requires_grad=True)
    losses = {t: LOSSES[i] + norms[i] * shared[i, 0] for i, t in enumerate("abc")}
    close(balancer.backward(losses, shared=[shared]), 1, 1, 1)
    close(balancer.found, *renormalised)


def test_gradnorm_without_alpha_equalises_the_norms() -> None:
    norms = tensor([2.0, 1.0, 0.5])
    balancer = b.GradNorm(0.0, optimiser="sgd", lr=0.005)
    for _ in range(400):
        shared = torch.zeros(3, 1, requires_grad=True)
        balancer.backward({t: LOSSES[i] + norms[i] * shared[i, 0] for i, t in enumerate("abc")}, shared=[shared])
    scaled = balancer.found * norms
    assert scaled.max() / scaled.min() < 1.02


def test_gradnorm_leaves_alone_a_task_without_a_label_or_without_a_finite_loss() -> None:
    balancer = b.GradNorm()
    balancer.bind(["a", "b", "c", "d"])
    for step in range(3):
        shared = torch.zeros(2, 2, requires_grad=True)
        losses = {"a": 1 + (2 + step) * shared[0, 0], "b": 1 + shared[0, 0], "c": math.inf + shared[0, 0]}
        balancer.backward(losses, shared=[shared])
    assert balancer.first.isnan().tolist() == [False, False, True, True]
    assert balancer.moments[:, 2:].eq(0).all()
    assert balancer.moments[2].tolist() == [3, 3, 0, 0]
    found = balancer.found
    torch.testing.assert_close(found.sum(), tensor(4.0))
    assert found[0] < found[2] == found[3] < found[1]


def test_gradnorm_takes_the_log_of_the_number_of_classes() -> None:
    balancer = b.GradNorm(l0="logC", classes={"a": 10})
    balancer.bind(["a", "b"])
    close(balancer.first[:1], math.log(10))
    assert balancer.first[1].isnan()


def test_uncertainty() -> None:
    uw = b.UncertaintyWeighting(lr=0.02)
    close(weights_of(uw), 0.5, 0.5, 0.5)
    for _ in range(800):
        weights = weights_of(uw)
    close(uw.log_variance, *LOSSES.log().tolist(), atol=1e-3)  # the optimum, where the weight is 1 / (2 L)
    close(weights, *(1 / (2 * LOSSES)).tolist(), atol=1e-3)


def test_uncertainty_follows_adam_on_its_objective() -> None:
    uw, s = b.UncertaintyWeighting(lr=0.05), torch.zeros(3, requires_grad=True)
    adam = torch.optim.Adam([s], lr=0.05)
    for scale in (1.0, 0.7, 1.3, 0.2):
        weights_of(uw, LOSSES * scale)
        adam.zero_grad()
        (0.5 * torch.exp(-s) * LOSSES * scale + 0.5 * s).sum().backward()
        adam.step()
    torch.testing.assert_close(uw.log_variance, s.detach())


def test_imtl_l_is_twice_uncertainty_weighting() -> None:
    imtl, uw = b.IMTLL(lr=0.05), b.UncertaintyWeighting(lr=0.05)
    close(weights_of(imtl), 1, 1, 1)
    weights_of(uw)
    for _ in range(10):
        torch.testing.assert_close(weights_of(imtl), 2 * weights_of(uw), rtol=1e-4, atol=0)


def test_geometric_mean() -> None:
    close(weights_of(b.GLS()), 0.666667, 0.166667, 0.333333)


def test_scale_invariant() -> None:
    close(weights_of(b.ScaleInvariant()), 2, 0.5, 1)


@pytest.mark.parametrize(
    ("mu", "expected"), [(0.1, (0.002155, 0.319771, 0.011408)), (1.0, (0.087030, 0.143489, 0.102814))]
)
def test_stch(mu: float, expected: tuple[float, ...]) -> None:
    close(weights_of(b.STCH(mu=mu)), *expected)


def test_stch_of_the_public_multi_task_code() -> None:
    close(b.stch_mtl_weights(LOSSES, tensor([1.0, 2.0, 2.0])), 1.5, 0.75, 0.75)
    stch = b.STCH("mtl", warmup_epochs=1)
    for values in ((9.0, 9.0, 9.0), (1.0, 2.0, 2.0)):  # warm-up, then the epoch of the nadir
        close(weights_of(stch, tensor(values)), *(1 / tensor(values)).tolist())
        stch.end_epoch()
    close(weights_of(stch), 1.5, 0.75, 0.75)


def test_famo() -> None:
    famo = b.FAMO()
    close(weights_of(famo), 0.571429, 0.142857, 0.285714)
    after = tensor([0.45, 1.9, 0.99])
    famo.after_step(lambda: as_losses(after))
    close(b.famo_gradient(torch.zeros(3), LOSSES, after), 0.016597, -0.001425, -0.015173)
    close(famo.logits, -0.025, 0.025, 0.025, atol=1e-4)
    close(torch.softmax(famo.logits, 0), 0.322316, 0.338842, 0.338842, atol=1e-4)


def test_famo_that_does_not_learn_is_scale_invariant_up_to_a_factor() -> None:
    famo, weights = b.FAMO(lr=0), tensor([2.0, 0.5, 1.0])
    for _ in range(3):
        close(weights_of(famo), *(weights / weights.sum()).tolist())
        famo.after_step(lambda: as_losses(LOSSES / 2))


def test_famo_leaves_alone_a_task_without_a_loss_in_the_second_pass() -> None:
    famo, weight = b.FAMO(), torch.ones((), requires_grad=True)
    losses = {"a": weight * 1.0, "b": weight * 2.0, "c": weight * 3.0}
    famo.backward(losses)
    famo.after_step(lambda: {"a": losses["a"] * 0.9, "b": losses["b"]})
    assert famo.logits[0] < 0 < famo.logits[1] and famo.logits[2] == 0


def test_famo_every_other_step_asks_for_no_second_forward() -> None:
    famo, asked = b.FAMO(every=2), []
    for step in range(4):
        weights_of(famo)
        famo.after_step(lambda step=step: asked.append(step) or as_losses(LOSSES / 2))
    assert asked == [0, 2]


def test_random_weights_sum_to_one_and_change() -> None:
    rlw = b.RLW(seed=3)
    first, second = weights_of(rlw), weights_of(rlw)
    torch.testing.assert_close(first.sum(), tensor(1.0))
    assert not torch.equal(first, second)


def test_db_mtl() -> None:
    close(aggregate(b.DBMTL(beta=0.0), J)[0], 0.171573, 0, 3.828427)
    close(aggregate(b.DBMTL(beta=0.9), J)[0], 0.0171573, 0, 0.3828427)


AGGREGATED: list[tuple[str, dict[str, Any], Tensor, tuple[float, ...]]] = [
    ("upgrad", {}, J, (0.000253, 0.466480, 1.199960)),
    ("upgrad", {}, J2, (0.292902, 1.900352, 1.900352)),
    ("mgda", {"epsilon": 1e-6, "max_iters": 10_000}, J, (0, 0.5, 0.5)),
    ("mgda", {}, J2, (0, 1, 1)),
    ("pcgrad", {}, J2, (0.584795, 3.80117, 3.80117)),
    ("cagrad", {"c": 0.5}, J, (-0.138071, 0.235702, 1)),
    ("cagrad", {"c": 0.5, "rescale": True}, J, (-0.110457, 0.188562, 0.8)),
    ("cagrad", {"c": 0.4}, J, (-0.043790, 0.188562, 1)),
    ("imtl_g", {}, J, (0.044815, 0.522408, 0.477592)),
    ("nash_mtl", {"max_norm": 0}, J, (-0.072067, 0.729517, 1.569271)),
    ("fairgrad", {"alpha": 1}, J, (-0.072067, 0.729517, 1.569271)),
    ("fairgrad", {"alpha": 2}, J, (-0.054844, 0.831247, 1.331186)),
    ("aligned_mtl", {}, J, (0.044504, 0.235912, 0.518324)),
    ("aligned_mtl", {"scale": "sum"}, J, (0.133512, 0.707736, 1.554972)),
]


@pytest.mark.parametrize(("name", "options", "rows", "expected"), AGGREGATED, ids=lambda value: str(value)[:20])
def test_aggregators(name: str, options: dict[str, Any], rows: Tensor, expected: tuple[float, ...]) -> None:
    close(aggregate(BALANCERS[name](**options), rows)[0], *expected, atol=1e-4 if name == "mgda" else 5e-6)


def test_weights_of_aggregators() -> None:
    close(aggregate(b.IMTLG(), J)[1], 0.391806, 0.565301, 0.042893, atol=1e-5)
    close(aggregate(b.FairGrad(1.0), J)[1], 0.739060, 1.144623, 0.415106, atol=1e-5)
    close(aggregate(b.MGDA(), J2)[1], 0.6, 0.4)
    close(aggregate(b.PCGrad(), J2)[1], 2.222222, 1.578947)


@pytest.mark.parametrize("length", [1.0, 2.0])
def test_imtl_g_of_opposite_gradients_has_equal_projections(length: float) -> None:
    update, weights = aggregate(b.IMTLG(), tensor([[1.0, 0], [-length, 0]]))
    close(update, 0, 0)
    close(weights, length / (1 + length), 1 / (1 + length))


@pytest.mark.parametrize("gamma", [[0.0, 2.0, 1.0], {"a": 0.0, "b": 2.0}])
def test_dtp_takes_one_exponent_per_task(gamma: Any) -> None:
    dtp = b.DTP(gamma)
    dtp.bind(["a", "b", "c"])
    dtp.observe_metrics({"a": 0.9, "b": 0.6, "c": 0.3})
    close(weights_of(dtp), 0.105361, 0.081732, 0.842781)


def test_dtp_wants_an_exponent_for_each_task() -> None:
    with pytest.raises(pt.UserError, match=r"one number per task \(2\), found 1"):
        b.DTP([1.0]).bind(["a", "b"])
    with pytest.raises(pt.UserError, match="'z' is not a task"):
        b.DTP({"z": 1.0}).bind(["a", "b"])


def test_gradnorm_is_exact_on_request_and_for_narrow_layers() -> None:
    found = []
    for given in (None, 8, "exact"):
        balancer = b.GradNorm(directions=given)
        balancer.bind(["a", "b"])
        found.append([balancer._number(width) for width in (64, 512)])
    assert found == [[64, 16], [8, 8], [64, 512]]
    assert [b.GradNorm()._every(outputs, 512) for outputs in (32, 128, 300, 512)] == [1, 1, 2, 4]
    assert [b.GradNorm()._every(512, 64), b.GradNorm(directions="exact")._every(512, 512)] == [1, 1]


def test_imtl_is_imtl_g_on_scaled_losses() -> None:
    imtl = b.IMTL(lr=0.1)
    close(aggregate(imtl, J)[0], 0.044815, 0.522408, 0.477592, atol=5e-6)  # scales of 1
    theta = torch.zeros(3, requires_grad=True)
    imtl.backward({f"t{i}": (i + 0.5) + row @ theta for i, row in enumerate(J)}, shared=[theta])
    scale = imtl.log_scale.exp()
    assert scale[0] > 1 > scale[2]  # small losses are scaled up
    torch.testing.assert_close(aggregate(imtl, J)[0], aggregate(b.IMTLG(), J * scale[:, None])[0], rtol=1e-4, atol=1e-5)


def test_pcgrad_depends_on_its_random_order() -> None:
    found = {tuple(round(x, 2) for x in aggregate(b.PCGrad(seed=seed), J)[0].tolist()) for seed in range(12)}
    assert found <= {(-0.12, 1.2, 3.96), (0.0, 1.4, 3.6), (-0.0, 1.4, 3.6)}
    assert len(found) > 1


def test_gradvac_starts_as_pcgrad_and_then_aims_higher() -> None:
    close(aggregate(b.GradVac(), J2)[1], 2.222222, 1.578947)
    close(aggregate(b.GradVac(), J2, times=2)[1], 1.857988, 1.406415)


def test_graddrop_keeps_one_sign_per_coordinate() -> None:
    seen = {tuple(aggregate(b.GradDrop(seed=seed), J)[0].tolist()) for seed in range(20)}
    assert {x for x, _, _ in seen} == {3.0, -2.0}
    assert {y for _, y, _ in seen} == {1.0, -1.0}
    assert {z for _, _, z in seen} == {3.0}


def test_config_has_equal_angles() -> None:
    update = aggregate(b.ConFIG(), J)[0]
    cosines = (J @ update) / J.norm(dim=1)
    torch.testing.assert_close(cosines, cosines[:1].expand(3), rtol=1e-4, atol=0)
    torch.testing.assert_close(update.norm(), (J @ update / update.norm()).sum(), rtol=1e-4, atol=0)


def test_dual_projection_does_not_conflict() -> None:
    assert (J @ aggregate(b.DualProj(reg_eps=1e-9), J)[0] >= -1e-4).all()


SCALED = {name: make for name, make in BALANCERS.items() if issubclass(make, b.GradientBalancer)}


@pytest.mark.parametrize("name", [n for n in SCALED if n not in ("gradnorm", "db_mtl")])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_of_the_gradients(name: str, scale: float) -> None:
    """No floor inside a solver: gradients of any size give the same direction, and the length the method's degree."""
    options = {"max_norm": 0} if name == "nash_mtl" else {}
    plain, scaled = (aggregate(BALANCERS[name](**options), rows)[0] for rows in (J, J * scale))
    degree = 0.0 if name in ("nash_mtl", "fairgrad") else 1.0
    torch.testing.assert_close(scaled / scale**degree, plain, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["upgrad", "dual_proj", "mgda", "nash_mtl", "fairgrad"])
def test_no_conflict(name: str) -> None:
    for seed in range(5):
        rows = torch.randn(4, 7, generator=torch.Generator().manual_seed(seed))
        update = aggregate(BALANCERS[name](), rows)[0]
        assert (rows @ update >= -2e-3 * update.norm() * rows.norm()).all()


def test_without_conflict_nothing_is_changed() -> None:
    rows = tensor([[1.0, 0.2, 0.0], [0.5, 1.0, 0.1], [0.3, 0.1, 2.0]])
    torch.testing.assert_close(aggregate(b.PCGrad(), rows)[0], rows.sum(0))
    torch.testing.assert_close(aggregate(b.GradVac(), rows)[0], rows.sum(0))
    torch.testing.assert_close(aggregate(b.UPGrad(reg_eps=1e-9), rows)[0], rows.mean(0))


def test_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from polytask import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "cvxpy" else True)
    with pytest.raises(pt.UserError, match=r"pip install 'polytask\[cagrad\]'"):
        b.CAGrad()


@pytest.mark.parametrize("name", ["config", "nash_mtl", "fairgrad", "imtl_g"])
@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
def test_a_gradient_that_is_much_longer_than_another_changes_no_share(name: str, ratio: float) -> None:
    """These methods see directions alone: of rows c times as long the weight is 1/c of what it was, up to a factor."""
    factors = torch.tensor([ratio**-0.5, 1.0, ratio**0.5])
    expected = aggregate(make(name), J)[1]
    found = aggregate(make(name), J * factors[:, None])[1] * factors
    torch.testing.assert_close(found / found.sum(), expected / expected.sum(), rtol=1e-3, atol=1e-5)

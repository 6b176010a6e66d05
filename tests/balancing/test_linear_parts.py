"""Gradients from the structure of the graph are those of plain autograd; where there is no such structure, none."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import grad

from polytask.balancing.gradients import GradientRows, representation_rows, rows_at_representation
from polytask.balancing.last_layer import last_layer_rows
from polytask.balancing.linear_parts import Readout, layer_of, readout
from polytask.balancing.step_graph import Differentiated
from polytask.balancing.task_losses import OwnOutputs

X = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
Y = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))


class Wide(nn.Module):
    """Two regressions and a classification as slices of one linear layer."""

    def __init__(self, *, bias: bool = True) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5, bias=bias)

    def forward(self, features: Tensor) -> list[Tensor]:
        wide = self.layer(features)
        errors = (wide[:, :2].float() - Y[:, :2]).square().mean(0)
        return [errors[0], errors[1], nn.functional.cross_entropy(wide[:, 2:].float(), (Y[:, 2] > 0).long())]


class Separate(nn.Module):
    """A head per task, with a hidden layer or a normalisation before it if asked for."""

    def __init__(self, *, hidden: bool = False, norm: bool = False) -> None:
        super().__init__()
        first = [nn.LayerNorm(6)] if norm else []
        rest = [nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)] if hidden else [nn.Linear(6, 1)]
        self.heads = nn.ModuleList(copy.deepcopy(nn.Sequential(*first, *rest)) for _ in range(3))

    def forward(self, features: Tensor) -> list[Tensor]:
        return [(head(features)[:, 0].float() - Y[:, i]).square().mean() for i, head in enumerate(self.heads)]


class Common(nn.Module):
    """Two losses of one output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 1)

    def forward(self, features: Tensor) -> list[Tensor]:
        output = self.layer(features)[:, 0]
        return [(output - Y[:, i]).square().mean() for i in range(3)]


def trunk(kind: str = "relu") -> nn.Sequential:
    torch.manual_seed(2)
    ends = {
        "relu": [nn.ReLU()],
        "tanh": [nn.Tanh(), nn.Dropout(0.3)],
        "none": [],
        "norm": [nn.ReLU(), nn.LayerNorm(6)],
        "no_bias": [nn.ReLU()],
    }
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6, bias=kind != "no_bias"), *ends[kind])


def losses_of(heads: nn.Module, features: Tensor, *, absent: bool = False) -> Tensor:
    values = torch.stack(heads(features))
    return values * torch.tensor([1.0, 0.0, 1.0]) if absent else values


def of(values: Tensor, features: Tensor, **known: object) -> Differentiated:
    return Differentiated.of(values, [features], **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("heads", [Wide(), Wide(bias=False), Separate(), Separate(hidden=True)])
def test_readout_is_what_autograd_gives(heads: nn.Module, absent: bool) -> None:
    features = trunk()(X)
    values = losses_of(heads, features, absent=absent)
    found = readout(of(values, features), features)
    assert found is not None
    (rows,) = representation_rows(values, [features])
    plain, weights = GradientRows(rows), torch.tensor([0.5, 2.0, -1.0])
    torch.testing.assert_close(found.dense(), rows)
    torch.testing.assert_close(found.gramian(), plain.gramian())
    torch.testing.assert_close(found.combine(weights), plain.combine(weights))
    torch.testing.assert_close(found.row(2), rows[2])


@pytest.mark.parametrize("heads", [Separate(norm=True), Common()])
def test_other_heads_are_differentiated(heads: nn.Module) -> None:
    features = trunk()(X)
    values = losses_of(heads, features)
    assert readout(of(values, features), features) is None
    (block,) = rows_at_representation(values, [features])
    torch.testing.assert_close(block.dense(), torch.stack([grad(v, features, retain_graph=True)[0] for v in values]))


def test_a_second_reader_of_the_representation_counts() -> None:
    features = trunk()(X)
    values = losses_of(Wide(), features) + features.square().sum()
    assert readout(of(values, features), features) is None


def test_several_representations() -> None:
    encoder, heads = trunk(), Wide()
    parts = [encoder(X), encoder(X + 1)]
    values = sum((losses_of(heads, part) for part in parts), torch.zeros(3))
    blocks = rows_at_representation(values, parts)
    assert all(isinstance(block, Readout) for block in blocks)
    for block, rows in zip(blocks, representation_rows(values, parts), strict=True):
        torch.testing.assert_close(block.dense(), rows)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_readout_under_autocast(dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype):
        features = trunk()(X)
        values = losses_of(Wide(), features)
    found = readout(of(values, features), features)
    assert found is not None
    (rows,) = representation_rows(values, [features])
    torch.testing.assert_close(found.dense(), rows, rtol=3e-2, atol=2e-3)


@pytest.mark.parametrize("heads", [Wide(), Separate(hidden=True), Separate(norm=True)])
@pytest.mark.parametrize("kind", ["relu", "tanh", "none", "norm", "no_bias"])
def test_last_layer_is_what_autograd_gives(kind: str, heads: nn.Module) -> None:
    encoder = trunk(kind)
    weight = encoder[2].weight
    features = encoder(X)
    values = losses_of(heads, features)
    expected = torch.stack([grad(value, weight, retain_graph=True)[0] for value in values])
    found = last_layer_rows(Differentiated.of(values, [features]), [features], weight, directions=8, seed=0)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    # Along a few directions: right in the mean, and close in a single draw.
    squares = torch.stack(
        [
            last_layer_rows(Differentiated.of(values, [features]), [features], weight, directions=5, seed=seed)
            .square()
            .sum((1, 2))  # type: ignore[union-attr]
            for seed in range(200)
        ]
    )
    relative = squares / expected.square().sum((1, 2))
    torch.testing.assert_close(relative.mean(0), torch.ones(3), rtol=0, atol=0.12)
    assert relative.sqrt().std(0).max() < 0.4


@pytest.mark.parametrize("kind", ["relu", "norm"])
def test_last_layer_at_some_of_its_outputs(kind: str) -> None:
    encoder, heads = trunk(kind), Separate(norm=True)
    weight, features = encoder[2].weight, encoder(X)
    values = losses_of(heads, features)
    expected = torch.stack([grad(value, weight, retain_graph=True)[0] for value in values])
    losses, squares = Differentiated.of(values, [features]), []
    for seed in range(3):
        found = last_layer_rows(losses, [features], weight, directions=8, every=3, seed=seed)
        assert found is not None
        torch.testing.assert_close(found, expected[:, seed::3] * 3**0.5, rtol=1e-4, atol=1e-6)
        squares.append(found.square().sum((1, 2)))
    torch.testing.assert_close(torch.stack(squares).mean(0), expected.square().sum((1, 2)), rtol=1e-4, atol=1e-6)


def test_last_layer_of_several_representations_and_of_tokens() -> None:
    encoder, heads = trunk(), Wide()
    tokens = torch.randn(12, 4, 5, generator=torch.Generator().manual_seed(3))
    parts = [encoder(X), encoder(tokens).mean(1)]
    values = sum((losses_of(heads, part) for part in parts), torch.zeros(3))
    weight = encoder[2].weight
    expected = torch.stack([grad(value, weight, retain_graph=True)[0] for value in values])
    found = last_layer_rows(Differentiated.of(values, parts), parts, weight, directions=99, seed=0)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_weight_that_is_used_twice_or_not_linearly_is_differentiated() -> None:
    layer = nn.Linear(6, 6)
    assert layer_of(layer.weight, layer(torch.relu(layer(torch.ones(2, 6))))) is None
    conv = nn.Conv1d(1, 2, 3)
    assert layer_of(conv.weight, conv(torch.ones(2, 1, 5)).flatten(1)) is None
    assert layer_of(nn.Linear(6, 6).weight, layer(torch.ones(2, 6))) is None


def differentiations(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For every call of autograd from here on, whether it was one pass per loss."""
    seen: list[bool] = []

    def counted(*args: object, is_grads_batched: bool = False, **options: object) -> object:
        seen.append(is_grads_batched)
        return grad(*args, is_grads_batched=is_grads_batched, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("polytask.balancing.linear_parts.grad", counted)
    return seen


@pytest.mark.parametrize("heads", [Separate(), Separate(hidden=True)])
def test_the_graph_states_who_reads_what(heads: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, features = differentiations(monkeypatch), trunk()(X)
    losses = heads(features)
    for present in ([0, 1, 2], [0, 2], [1]):
        values = torch.stack(losses)[present]
        known = readout(of(values, features, nodes=[losses[i].grad_fn for i in present]), features)
        assert seen.pop() is False and not seen
        plain = readout(of(values, features), features)
        assert seen.pop() is True and known is not None and plain is not None
        torch.testing.assert_close(known.dense(), plain.dense())


def test_a_declared_layer_needs_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, features, heads = differentiations(monkeypatch), trunk()(X), Wide()
    values = losses_of(heads, features)
    owned = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    found = readout(of(values, features, outputs=OwnOutputs(heads.layer.weight, owned)), features)
    assert seen == [False] and found is not None
    torch.testing.assert_close(found.dense(), representation_rows(values, [features])[0])
    other = readout(of(values, features, outputs=OwnOutputs(nn.Linear(6, 5).weight, owned)), features)
    assert seen[1:] == [True] and other is not None  # not this layer: nothing is taken for granted


@pytest.mark.parametrize("coefficient", [0.0, 1.0])
def test_a_second_reader_without_weight_is_one(coefficient: float) -> None:
    """A warm-up: what is 0 in this step is read all the same, and may count in the next."""
    features, heads = trunk()(X), Separate()
    losses = heads(features)
    losses[1] = losses[1] + coefficient * losses[0].square()
    differentiated = of(torch.stack(losses), features, nodes=[loss.grad_fn for loss in losses])
    assert differentiated.graph.readers([loss.grad_fn for loss in losses]) is None
    (block,) = rows_at_representation(differentiated, [features])
    torch.testing.assert_close(block.dense(), representation_rows(differentiated, [features])[0])

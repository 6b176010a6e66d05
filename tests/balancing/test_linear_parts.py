"""Gradients from the structure of the graph are those of plain autograd; where there is no such structure, none."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import grad

from polytask.balancing.gradients import Dense, representation_rows, rows_at_representation
from polytask.balancing.last_layer import last_layer_rows
from polytask.balancing.linear_parts import Owners, Readout, layer_of, readout

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


def trunk(kind: str = "relu") -> nn.Module:
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


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("heads", [Wide(), Wide(bias=False), Separate(), Separate(hidden=True)])
def test_readout_is_what_autograd_gives(heads: nn.Module, absent: bool) -> None:
    features = trunk()(X)
    values = losses_of(heads, features, absent=absent)
    found = readout(values, features)
    assert found is not None
    (rows,) = representation_rows(values, [features])
    plain, weights = Dense(rows), torch.tensor([0.5, 2.0, -1.0])
    torch.testing.assert_close(found.dense(), rows)
    torch.testing.assert_close(found.gramian(), plain.gramian())
    torch.testing.assert_close(found.combine(weights), plain.combine(weights))
    torch.testing.assert_close(found.row(2), rows[2])


@pytest.mark.parametrize("heads", [Separate(norm=True), Common()])
def test_other_heads_are_differentiated(heads: nn.Module) -> None:
    features = trunk()(X)
    values = losses_of(heads, features)
    assert readout(values, features) is None
    (block,) = rows_at_representation(values, [features])
    torch.testing.assert_close(block.dense(), torch.stack([grad(v, features, retain_graph=True)[0] for v in values]))


def test_a_second_reader_of_the_representation_counts() -> None:
    features = trunk()(X)
    assert readout(losses_of(Wide(), features) + features.square().sum(), features) is None


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
    found = readout(values, features)
    assert found is not None
    (rows,) = representation_rows(values, [features])
    torch.testing.assert_close(found.dense(), rows, rtol=3e-2, atol=2e-3)


@pytest.mark.parametrize("heads", [Wide(), Separate(hidden=True), Separate(norm=True)])
@pytest.mark.parametrize("kind", ["relu", "tanh", "none", "norm", "no_bias"])
def test_last_layer_is_what_autograd_gives(kind: str, heads: nn.Module) -> None:
    encoder = trunk(kind)
    weight = encoder[2].weight  # type: ignore[index]
    features = encoder(X)
    values = losses_of(heads, features)
    expected = torch.stack([grad(value, weight, retain_graph=True)[0] for value in values])
    found = last_layer_rows(values, [features], weight, directions=8, seed=0)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    # Along a few directions: right in the mean, and close in a single draw.
    squares = torch.stack(
        [
            last_layer_rows(values, [features], weight, directions=5, seed=seed).square().sum((1, 2))  # type: ignore[union-attr]
            for seed in range(200)
        ]
    )
    relative = squares / expected.square().sum((1, 2))
    torch.testing.assert_close(relative.mean(0), torch.ones(3), rtol=0, atol=0.12)
    assert relative.sqrt().std(0).max() < 0.4


def test_last_layer_of_several_representations_and_of_tokens() -> None:
    encoder, heads = trunk(), Wide()
    tokens = torch.randn(12, 4, 5, generator=torch.Generator().manual_seed(3))
    parts = [encoder(X), encoder(tokens).mean(1)]
    values = sum((losses_of(heads, part) for part in parts), torch.zeros(3))
    weight = encoder[2].weight  # type: ignore[index]
    expected = torch.stack([grad(value, weight, retain_graph=True)[0] for value in values])
    found = last_layer_rows(values, parts, weight, directions=99, seed=0)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_weight_that_is_used_twice_or_not_linearly_is_differentiated() -> None:
    layer = nn.Linear(6, 6)
    assert layer_of(layer.weight, layer(torch.relu(layer(torch.ones(2, 6))))) is None
    conv = nn.Conv1d(1, 2, 3)
    assert layer_of(conv.weight, conv(torch.ones(2, 1, 5)).flatten(1)) is None
    assert layer_of(nn.Linear(6, 6).weight, layer(torch.ones(2, 6))) is None


@pytest.mark.parametrize("heads", [Wide(), Separate(), Separate(hidden=True)])
def test_a_structure_found_once_is_trusted_and_gives_the_same(heads: nn.Module) -> None:
    owners, encoder = Owners(), trunk()
    for step in range(70):  # beyond the steps for which it is trusted
        features = encoder(X + step)
        values = losses_of(heads, features)
        found, fresh = readout(values, features, owners=owners), readout(values, features)
        assert found is not None and fresh is not None
        torch.testing.assert_close(found.errors, fresh.errors)
        # An output without any error in this batch is nobody's at first sight, and was somebody's before.
        torch.testing.assert_close(found.errors[..., None] * found.owned, fresh.errors[..., None] * fresh.owned)


def test_what_is_known_of_other_tasks_is_not_taken_over() -> None:
    owners, heads = Owners(), Separate()
    features = trunk()(X)
    values = losses_of(heads, features)
    for present in ([0, 1], [0, 2], [1, 2], [0, 1]):
        found = readout(values[present], features, owners=owners, present=tuple(present))
        fresh = readout(values[present], features)
        assert found is not None and fresh is not None
        torch.testing.assert_close(found.owned, fresh.owned)


def test_an_output_that_is_silent_now_is_not_taken_for_nobodys() -> None:
    owners, heads = Owners(), Separate()
    for silent in (True, False):
        features = trunk()(X)
        values = losses_of(heads, features) * torch.tensor([1.0, 0.0 if silent else 1.0, 1.0])
        found = readout(values, features, owners=owners)
        assert found is not None
        assert bool((found.owned.sum(1) == 1).all()) != silent

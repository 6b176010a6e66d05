"""The Gramian from sums over the batch: equal to the exact one where its assumption holds, close where it does not."""

import numpy as np
import pytest
import torch
from torch import nn

import polytask as pt
from polytask import UserError
from polytask.grouping.affinity.factored_gramian import (
    JacobianProducts,
    by_sign,
    chosen_rows,
    factored_gramian,
    jacobian_products,
)
from polytask.grouping.affinity.layers import calls_of_whole_batch, followed_share, watched
from polytask.training.callbacks.affinity import affinity_from_state

GENERATOR = torch.Generator().manual_seed(0)
ERRORS, INPUTS = torch.randn(6, 3, generator=GENERATOR), torch.randn(6, 4, generator=GENERATOR)


def exact_gramian(jacobians: torch.Tensor, inputs: torch.Tensor = INPUTS) -> torch.Tensor:
    """From the gradients ``sum_b e_ib J_ib a_b^T`` written out."""
    rows = torch.einsum("bi,ibd,bn->idn", ERRORS, jacobians, inputs).flatten(1)
    return rows @ rows.T


def factored(jacobians: torch.Tensor, inputs: torch.Tensor = INPUTS) -> torch.Tensor:
    products = jacobian_products(jacobians, torch.ones(3, 6), inputs.square().sum(1))
    total = ERRORS.T @ inputs
    stacked = JacobianProducts(products.different[None], products.same[None])
    return factored_gramian(stacked, (total @ total.T)[None], ERRORS.T @ ERRORS)


def test_equal_jacobians_give_the_exact_gramian():
    jacobians = torch.randn(3, 1, 5, generator=GENERATOR).expand(3, 6, 5)
    torch.testing.assert_close(factored(jacobians), exact_gramian(jacobians), rtol=1e-4, atol=1e-5)


def test_jacobians_that_never_meet_leave_the_pairs_of_a_sample_with_itself():
    jacobians, inputs = torch.eye(6).expand(3, 6, 6), nn.functional.normalize(INPUTS)
    torch.testing.assert_close(factored(jacobians, inputs), exact_gramian(jacobians, inputs), rtol=1e-4, atol=1e-5)


def test_jacobians_that_follow_the_sign_of_the_error_give_the_exact_gramian():
    errors, inputs = torch.randn(60, 3, generator=GENERATOR), torch.randn(60, 4, generator=GENERATOR)
    up, down = torch.randn(2, 3, 1, 5, generator=GENERATOR)
    jacobians = torch.where(errors.T[:, :, None] > 0, up, down)
    rows = torch.einsum("bi,ibd,bn->idn", errors, jacobians, inputs).flatten(1)
    parts = by_sign(errors)
    products = jacobian_products(jacobians.repeat(2, 1, 1), parts.abs().T, inputs.square().sum(1))
    total = parts.T @ inputs
    found = factored_gramian(
        JacobianProducts(products.different[None], torch.zeros(1, 6, 6)), (total @ total.T)[None], parts.T @ parts
    )
    torch.testing.assert_close(found.view(2, 3, 2, 3).sum((0, 2)), rows @ rows.T, rtol=0.02, atol=2)


def test_weights_decide_which_samples_count():
    jacobians = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [9.0, 9.0]]])
    products = jacobian_products(jacobians, torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([2.0, 2.0, 3.0]))
    assert products.different.item() == pytest.approx(1, abs=0.02)
    assert products.same.item() + 2 * products.different.item() == pytest.approx(2, abs=0.3)


def test_a_single_sample_stands_for_all_pairs():
    products = jacobian_products(torch.tensor([[[3.0, 4.0]]]), torch.ones(1, 1), torch.ones(1))
    assert (products.different.item(), products.same.item()) == (25, 0)


def test_rows_are_chosen_by_importance_and_their_probabilities_are_right():
    rows, probability = chosen_rows(torch.arange(10.0), 1000)
    assert torch.equal(*(chosen_rows(torch.arange(10.0), 4)[0] for _ in range(2)))
    counts = torch.bincount(rows, minlength=10) / 1000
    expected = 0.8 * torch.arange(10.0) / 45 + 0.02
    torch.testing.assert_close(counts, expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(probability, expected[rows])


class Bags(nn.Module):
    """A sum of embeddings in front of a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bag, self.last = nn.EmbeddingBag(7, 4, mode="sum"), nn.Linear(4, 3)

    def forward(self, indices, offsets, values):
        return self.last(self.bag(indices, offsets, per_sample_weights=values))


def test_a_bag_is_a_linear_layer_with_sparse_inputs():
    indices, offsets = torch.tensor([0, 3, 5, 1, 3]), torch.tensor([0, 2, 2, 3])
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    dense = torch.zeros(4, 7)
    for sample, column, value in ((0, 0, 1.0), (0, 3, 2.0), (2, 5, 3.0), (3, 1, 4.0), (3, 3, 5.0)):
        dense[sample, column] = value
    encoder = Bags()
    with watched(encoder) as calls:
        encoder(indices, offsets, values)
    bag, last = calls
    weights = torch.randn(4, 2, generator=GENERATOR)
    torch.testing.assert_close(bag.sums(weights), weights.T @ dense)
    torch.testing.assert_close(bag.squared_lengths(), dense.square().sum(1))
    assert (bag.biased, last.biased) == (False, True)
    assert followed_share(calls, encoder) == 1
    assert not any(module._forward_hooks for module in encoder.modules())


def test_sequences_and_frozen_layers_are_not_followed():
    encoder = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).requires_grad_(False))
    with watched(encoder) as calls:
        encoder(torch.ones(2, 5, 4))
        encoder(torch.ones(2, 4))
    assert [call.layer for call in calls] == [encoder[0]]


class Routed(nn.Module):
    """Some samples go through one first layer, the others through another."""

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.first, self.second, self.rest = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(3, out_features)

    def forward(self, inputs):
        mine, features = inputs[:, 0] > 0, inputs.new_empty(len(inputs), 3)
        features[mine], features[~mine] = self.first(inputs[mine]), self.second(inputs[~mine])
        return self.rest(features.relu())


def test_only_layers_of_the_whole_batch_are_followed():
    encoder = Routed(2)
    found = []
    for inputs in (torch.tensor([[-1.0], [1.0], [2.0]]), torch.ones(2, 1)):
        with watched(encoder) as calls:
            features = encoder(inputs.expand(-1, 4))
        found.append([call.name for call in calls_of_whole_batch(calls, encoder, features)])
    assert found == [["rest"], ["first", "rest"]]


def routed_affinity(out_features: int, estimator: str) -> pt.Affinity:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(96, 4, generator=generator)
    inputs[:32, 0] = -1  # whole batches of one layer: other layers are followed in them
    labels = {"a": inputs.sum(1), "b": inputs[:, 1], "c": inputs[:, 2] - inputs[:, 1]}
    tasks = [pt.Task(name, kind="regression") for name in labels]
    torch.manual_seed(0)
    model = pt.MultiTaskModel(Routed(out_features), tasks)
    result = pt.fit(model, train=(inputs, labels), validation=(inputs, labels),
                    callbacks=[pt.AffinityProbe(estimator=estimator)],
                    settings=pt.TrainingSettings(steps=30, batch_size=4))  # fmt: skip
    return affinity_from_state(result.callbacks["affinity"], list(labels))


def test_an_encoder_that_sends_samples_through_different_layers():
    assert np.isfinite(routed_affinity(200, "factored").matrix).all()
    with pytest.raises(UserError, match="one vector of every sample, which hold"):
        routed_affinity(2, "factored")
    assert routed_affinity(2, "auto").meta["estimator"] != "factored"


class InType(nn.Module):
    """An encoder in a type of its own."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self.out_features = nn.Linear(4, 8).to(dtype), 8

    def forward(self, x):
        return self.layer(x.to(self.layer.weight.dtype)).relu().float()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_encoders_in_other_types_than_their_heads(dtype):
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    labels = {"a": inputs.sum(1), "b": inputs[:, 1]}

    def affinity(dtype):
        torch.manual_seed(0)
        model = pt.MultiTaskModel(InType(dtype), [pt.Task(name, kind="regression") for name in labels])
        settings = pt.TrainingSettings(steps=10, batch_size=16)
        return pt.measure_affinity(model, train=(inputs, labels), estimator="factored", settings=settings).matrix

    np.testing.assert_allclose(affinity(dtype), affinity(torch.float32), rtol=0.2)


@pytest.mark.parametrize("seed", [0, 1])
def test_known_groups_are_found(seed):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(800, 12))
    parts = np.tanh(inputs.reshape(800, 3, 4))  # every group asks about four columns of its own
    labels = {f"t{task}": torch.tensor(parts[:, task % 3] @ rng.uniform(0.9, 1.1, 4) > 0).float() for task in range(9)}
    tasks = [pt.Task(name) for name in labels]
    torch.manual_seed(seed)
    model = pt.MultiTaskModel(nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU()), tasks)
    settings = pt.TrainingSettings(steps=150, batch_size=64, learning_rate=3e-3, device="cpu")
    affinity = pt.measure_affinity(model, train=(torch.tensor(inputs).float(), labels), settings=settings, seed=seed)
    assert affinity.meta["estimator"] == "factored"
    found = {frozenset(network) for network in pt.select_networks(affinity, 3).networks}
    assert found == {frozenset(f"t{task}" for task in range(first, 9, 3)) for first in range(3)}

"""Making a model: width of the features, names, shared parameters."""

import pytest
import torch
from torch import nn

from polytask import MultiTaskModel, Task, UserError


def test_width_is_that_of_the_last_linear_layer():
    encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.LayerNorm(3))
    assert MultiTaskModel(encoder, [Task("a")]).heads.wide.in_features == 3


def test_width_is_the_attribute_of_the_encoder_if_it_has_one():
    encoder = nn.Flatten()
    encoder.out_features = 6
    model = MultiTaskModel(encoder, [Task("a")])
    assert model(torch.zeros(2, 2, 3))["a"].shape == (2,)


def test_width_that_cannot_be_found_is_asked_for_and_taken():
    with pytest.raises(UserError, match="features="):
        MultiTaskModel(nn.Flatten(), [Task("a")])
    assert MultiTaskModel(nn.Flatten(), [Task("a")], features=5).heads.wide.in_features == 5


def test_all_mistakes_are_shown_at_once():
    with pytest.raises(UserError) as error:
        MultiTaskModel(nn.Linear(2, 2), [Task("a"), Task("a")], sharing="herd")
    assert error.value.problems == ("task 'a' is given 2 times", "sharing: 'herd' is not known; did you mean 'hard'?")
    with pytest.raises(UserError, match="at least one task"):
        MultiTaskModel(nn.Linear(2, 2), [])


def test_shared_parameters_are_those_of_the_encoder_that_train():
    encoder = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    encoder[0].requires_grad_(False)
    shared = MultiTaskModel(encoder, [Task("a")]).shared_parameters()
    assert [id(parameter) for parameter in shared] == [id(parameter) for parameter in encoder[1].parameters()]


class _Gives(nn.Module):
    out_features = 4

    def __init__(self, found):
        super().__init__()
        self.found, self.layer = found, nn.Linear(1, 1)

    def forward(self, inputs):
        return self.found


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            (torch.zeros(2, 4), (torch.zeros(1), torch.zeros(1))),
            r"Gives: expected a tensor \[B, D\], found tuple of Ten",
        ),
        ({"last_hidden_state": torch.zeros(2, 3, 4), "pooler_output": torch.zeros(2, 4)}, "last_hidden_state, pooler"),
        (None, "found NoneType"),
        (torch.zeros(2, 3, 4), r"one vector per row, features \[B, D\], found \[2, 3, 4\]"),
        (torch.zeros(2, 4, 5, 5), r"found \[2, 4, 5, 5\]"),
        (torch.zeros(4), r"found \[4\]"),
        (torch.zeros(2, 5), r"made for features \[B, 4\], found \[2, 5\]"),
    ],
)
def test_what_the_heads_cannot_read_or_would_read_in_part_is_refused(found, message):
    model = MultiTaskModel(_Gives(found), [Task("a"), Task("b", kind="regression")])
    for read in (model, model.grouped):
        with pytest.raises(UserError, match=message):
            read(torch.zeros(2, 3))


def test_ordinary_tasks_beside_some_that_read_items_have_the_first_vector():
    tasks = [Task("a"), Task("words", kind="tags", classes=("x", "y"))]
    found = torch.randn(2, 3, 4)
    outputs = MultiTaskModel(_Gives(found), tasks)(None)
    assert outputs["a"].shape == (2,) and outputs["words"].shape == (2, 2, 2)
    with pytest.raises(UserError, match="target per item"):
        MultiTaskModel(_Gives(torch.zeros(2, 4)), tasks)(None)

"""Ways of sharing: what is shared and what is a task's own, degenerate cases, refusals."""

import itertools

import pytest
import torch
from torch import nn

from polytask import MultiTaskModel, TableEncoder, Task, UserError
from polytask.models import ARCHITECTURES, stages_of
from polytask.models.cross_stitch import CrossStitchUnit
from small_training import TASKS

OPTIONS = {"ple": {"levels": 3}}
INPUTS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))


def encoder() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())


def make(sharing: str, tasks=TASKS, **options) -> MultiTaskModel:
    torch.manual_seed(3)
    return MultiTaskModel(encoder(), tasks, sharing=sharing, **{**OPTIONS.get(sharing, {}), **options})


@pytest.fixture(params=ARCHITECTURES)
def sharing(request) -> str:
    return request.param


def test_outputs_have_the_shapes_of_hard_sharing(sharing):
    model, plain = make(sharing), make("hard")
    assert model.features(INPUTS).shape == (7, len(TASKS), 6)
    assert {name: output.shape for name, output in model(INPUTS).items()} == {
        name: output.shape for name, output in plain(INPUTS).items()
    }


def test_every_parameter_is_shared_or_of_one_task(sharing):
    model = make(sharing)
    owners = {parameter: torch.zeros(parameter.shape) for parameter in model.parameters()}
    for parameter in model.shared_parameters():
        owners[parameter] += 1
    for task in range(len(TASKS)):
        for parameter, rows in model.task_parameters(task):
            owners[parameter][rows] += 1
    assert all(bool((count == 1).all()) for count in owners.values())


def test_a_task_s_loss_reaches_what_is_shared_and_its_own_only(sharing):
    model = make(sharing)
    outputs = model(INPUTS)
    reached = {parameter: torch.zeros(parameter.shape, dtype=torch.long) for parameter in model.shared_parameters()}
    for position, task in enumerate(TASKS):
        gradients = torch.autograd.grad(
            outputs[task.name].square().sum(), list(model.parameters()), retain_graph=True, allow_unused=True
        )
        found = dict(zip(model.parameters(), gradients, strict=True))
        for other in range(len(TASKS)):
            used = [
                found[parameter] is not None and bool(found[parameter][rows].ne(0).any())
                for parameter, rows in model.task_parameters(other)
            ]
            assert any(used) if other == position else not any(used)
        for parameter in reached:
            reached[parameter] += 0 if found[parameter] is None else found[parameter].ne(0).long()
    assert all(bool((count > 1).any()) for count in reached.values())


def test_gradients_pass_through_the_cut(sharing):
    model = make(sharing)
    features, common = model.represent(INPUTS)
    loss = sum(output.square().sum() for output in model.heads(features))
    if not model.has_cut:
        assert common is None
        return
    at_cut = torch.autograd.grad(loss, common, retain_graph=True)
    below = torch.autograd.grad(common, model.shared_parameters(), at_cut, retain_graph=True)
    for one, other in zip(below, torch.autograd.grad(loss, model.shared_parameters()), strict=True):
        torch.testing.assert_close(one, other)


def test_tasks_can_be_permuted(sharing):
    """Exchanging the tasks' own parameters exchanges their outputs."""
    tasks = [Task("a"), Task("b"), Task("c")]
    model, permuted = make(sharing, tasks), make(sharing, tasks)
    order = [2, 0, 1]
    if sharing in ("cross_stitch", "ple"):  # lower copies and experts belong to a task by their place in shared parts
        order = [0, 1, 2]
    with torch.no_grad():
        for task, source in enumerate(order):
            for (to, rows), (origin, taken) in zip(
                permuted.task_parameters(task), model.task_parameters(source), strict=True
            ):
                to[rows] = origin[taken]
        found, expected = permuted(INPUTS), model(INPUTS)
    for task, source in enumerate(order):
        torch.testing.assert_close(found[tasks[task].name], expected[tasks[source].name])


@pytest.mark.parametrize(
    ("sharing", "options"),
    [("mmoe", {"experts": 1}), ("cgc", {"experts": 1, "task_experts": 0}), ("cross_stitch", {})],
)
def test_degenerate_cases_are_the_plain_encoder(sharing, options):
    one = [Task("a")]
    model, plain = make(sharing, one, **options), make("hard", one)
    plain.heads.load_state_dict(model.heads.state_dict())
    torch.testing.assert_close(model(INPUTS)["a"], plain(INPUTS)["a"])


def test_attention_that_lets_all_through_is_the_plain_encoder():
    model, plain = make("mtan"), make("hard")
    plain.heads.load_state_dict(model.heads.state_dict())
    for attention in model.encoder.attention:
        attention.h.weight.data.zero_()
        attention.h.bias.data.fill_(50.0)
    for name, output in plain(INPUTS).items():
        torch.testing.assert_close(model(INPUTS)[name], output)


def test_gates_mix_the_experts_by_hand():
    model = make("mmoe", experts=3)
    stem = torch.tanh(model.encoder.stem[0](INPUTS))
    level = model.encoder.levels[0]
    experts = [expert(stem) for expert in level.shared]
    for task in range(len(TASKS)):
        weights = (stem @ level.gates.weight[task].T + level.gates.bias[task]).softmax(-1)
        expected = sum(weights[:, [e]] * expert for e, expert in enumerate(experts))
        torch.testing.assert_close(model.features(INPUTS)[:, task], expected)


def test_experts_start_with_weights_of_their_own():
    experts = make("mmoe", experts=3).encoder.levels[0].shared
    for one, other in itertools.combinations(experts, 2):
        assert not torch.equal(one[0][0].weight, other[0][0].weight)


def test_a_cross_stitch_unit_mixes_by_its_weights():
    unit = CrossStitchUnit(3, own=0.8)
    torch.testing.assert_close(unit.alpha.sum(1), torch.ones(3))
    features = torch.randn(3, 4, 2)
    torch.testing.assert_close(unit(features)[1], 0.1 * features[0] + 0.8 * features[1] + 0.1 * features[2])


def test_own_features_are_read_by_own_heads():
    model = make("mtan")
    features = model.features(INPUTS)
    for position, task in enumerate(TASKS):
        rows = model.heads.task_rows(position)
        expected = features[:, position] @ model.heads.wide.weight[rows].T + model.heads.wide.bias[rows]
        torch.testing.assert_close(model(INPUTS)[task.name], expected if task.kind == "multiclass" else expected[:, 0])


def test_tables_of_all_kinds_of_columns(sharing):
    torch.manual_seed(0)
    table = TableEncoder(numeric=2, categories=4, categorical=1, hidden=(8, 6), dropout=0.1)
    model = MultiTaskModel(table, TASKS, sharing=sharing)
    inputs = {"numeric": torch.zeros(3, 2), "categorical": torch.tensor([[0], [3], [1]])}
    assert model.features(inputs).shape == (3, len(TASKS), 6)


def test_any_module_can_be_the_stem_of_experts():
    class Odd(nn.Module):
        out_features = 4

        def forward(self, inputs):
            return inputs["x"][:, :4]

    for sharing in ("mmoe", "cgc", "ple"):
        model = MultiTaskModel(Odd(), TASKS, sharing=sharing)
        assert model.features({"x": INPUTS}).shape == (7, len(TASKS), 4)


def test_images_can_be_cross_stitched():
    images = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 6), nn.BatchNorm1d(6), nn.ReLU()
    )
    assert [len(stage) for stage in stages_of(images)] == [3, 3]
    model = MultiTaskModel(images, TASKS, sharing="cross_stitch", features=6)
    assert model.features(torch.zeros(2, 1, 8, 8)).shape == (2, len(TASKS), 6)
    with pytest.raises(UserError, match="must begin with a linear layer, found Conv2d"):
        MultiTaskModel(images, TASKS, sharing="mtan", features=6)


@pytest.mark.parametrize("sharing", ["cross_stitch", "mtan"])
def test_an_encoder_of_one_stage_is_refused(sharing):
    with pytest.raises(UserError, match="at least two"):
        MultiTaskModel(nn.Linear(5, 6), TASKS, sharing=sharing)
    with pytest.raises(UserError, match="at least two"):
        MultiTaskModel(TableEncoder(numeric=5, hidden=(6,)), TASKS, sharing=sharing)


@pytest.mark.parametrize(
    ("sharing", "options", "message"),
    [
        ("mmoe", {"expert": 3}, "did you mean 'experts'"),
        ("hard", {"experts": 3}, "it has none"),
        ("mmoe", {"experts": 0}, "experts must be at least 1"),
        ("mmoe", {"experts": "four"}, "expected a number for experts"),
        ("cgc", {"task_experts": -1}, "task_experts must be at least 0"),
        ("cross_stitch", {"own": 2.0}, "from 0 to 1"),
        ("mtan", {"attention": 0}, "at least 1"),
    ],
)
def test_bad_options_are_refused(sharing, options, message):
    with pytest.raises(UserError, match=message):
        make(sharing, **options)


@pytest.mark.parametrize("sharing", ARCHITECTURES)
def test_the_encoder_given_is_not_copied_where_it_is_shared_as_a_whole(sharing):
    given = encoder()
    model = MultiTaskModel(given, TASKS, sharing=sharing)
    mine = {id(parameter) for parameter in given.parameters()}
    used = {id(parameter) for parameter in model.parameters()}
    assert (mine <= used) == (sharing != "cross_stitch")


class _Gives(nn.Linear):
    """A layer that gives ``found``, whatever goes in."""

    def __init__(self, found):
        super().__init__(5, 8)
        self.found = found

    def forward(self, inputs):
        return self.found


@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
def test_stages_that_give_no_tensor_are_named(sharing, place):
    layers = [nn.Linear(5, 8), nn.Linear(8, 8)]
    layers[place] = _Gives((torch.zeros(7, 8), torch.zeros(1)))
    model = MultiTaskModel(nn.Sequential(*layers), TASKS, sharing=sharing)
    with pytest.raises(UserError, match=r"encoder _Gives: expected a tensor \[B, D\], found tuple of Tensor, Tensor"):
        model(INPUTS)


@pytest.mark.parametrize("shape", [(7, 3, 8), (7, 9)])
def test_ways_of_sharing_that_read_vectors_refuse_other_stages(sharing, shape):
    model = MultiTaskModel(nn.Sequential(_Gives(torch.zeros(shape)), nn.Linear(8, 8)), TASKS, sharing=sharing)
    if sharing != "cross_stitch":  # it mixes features of any shape
        with pytest.raises(
            UserError, match=rf"'{sharing}': it reads vectors \[B, 8\], and the stage _Gives gives \[7, "
        ):
            model(INPUTS)

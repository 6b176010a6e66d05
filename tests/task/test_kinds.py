"""Losses, soft losses and averages of the kinds of targets."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from polytask.task import KINDS

SHAPES = {"binary": (7,), "multiclass": (7, 3), "regression": (7,)}


def outputs_of(kind: str, seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(seed))


def gradient(value: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(value.sum(), leaf)[0]


@pytest.fixture(params=sorted(SHAPES))
def kind(request):
    return KINDS[request.param]


def test_soft_loss_and_its_gradient_vanish_where_student_and_teacher_agree(kind):
    student = outputs_of(kind.name).requires_grad_()
    loss = kind.soft_loss(student, student.detach().clone(), temperature=2.0)
    torch.testing.assert_close(loss, torch.zeros(7), atol=1e-6, rtol=0)
    torch.testing.assert_close(gradient(loss, student), torch.zeros_like(student), atol=1e-6, rtol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_loss_is_positive_where_student_and_teacher_differ(kind, temperature):
    assert (kind.soft_loss(outputs_of(kind.name), outputs_of(kind.name, seed=1), temperature) > 1e-4).all()


def test_soft_loss_is_finite_for_a_teacher_that_is_sure(kind):
    teacher = 200 * outputs_of(kind.name)
    assert torch.isfinite(kind.soft_loss(outputs_of(kind.name), teacher)).all()


def test_average_predicts_the_mean_prediction(kind):
    teachers = [outputs_of(kind.name, seed) for seed in range(3)]
    mean = torch.stack([kind.predict(teacher) for teacher in teachers]).mean(0)
    torch.testing.assert_close(kind.predict(kind.average(teachers)), mean)


def test_average_of_one_teacher_is_that_teacher_bit_for_bit(kind):
    teacher = outputs_of(kind.name)
    assert torch.equal(kind.average([teacher]), teacher)


def test_average_of_teachers_that_are_sure_is_finite(kind):
    sure = 200 * outputs_of(kind.name)
    assert torch.isfinite(kind.average([sure, sure])).all()


def test_losses_of_several_tasks_are_those_of_each_task(kind):
    outputs = torch.stack([outputs_of(kind.name, seed) for seed in range(2)], 1)
    targets = torch.tensor([[0.0, 1.0]] * 7)
    both = kind.loss(outputs, targets)
    for task in range(2):
        torch.testing.assert_close(both[:, task], kind.loss(outputs[:, task], targets[:, task]))


TEACHER, STUDENT = (2.0, 0.0, -1.0), (1.0, 0.5, 0.0)


@pytest.mark.parametrize(
    ("temperature", "loss", "slope"),
    [(1.0, 0.255111, (-0.337314, 0.193001, 0.144314)), (2.0, 0.365228, (-0.418606, 0.190544, 0.228062))],
)
def test_multiclass_soft_loss_of_the_worked_example(temperature, loss, slope):
    student = torch.tensor([STUDENT], requires_grad=True)
    value = KINDS["multiclass"].soft_loss(student, torch.tensor([TEACHER]), temperature)
    torch.testing.assert_close(value, torch.tensor([loss]), atol=2e-6, rtol=0)
    torch.testing.assert_close(gradient(value, student), torch.tensor([slope]), atol=2e-6, rtol=0)


def test_multiclass_soft_loss_is_soft_cross_entropy_minus_entropy():
    target = torch.tensor([TEACHER]).softmax(-1)
    torch.testing.assert_close(target, torch.tensor([[0.843795, 0.114195, 0.042010]]), atol=1e-6, rtol=0)
    crossed = cross_entropy(torch.tensor([STUDENT]), target)
    entropy = cross_entropy(torch.tensor([TEACHER]), target)
    assert (float(crossed), float(entropy)) == pytest.approx((0.779377, 0.524267), abs=1e-6)
    loss = KINDS["multiclass"].soft_loss(torch.tensor([STUDENT]), torch.tensor([TEACHER]))
    torch.testing.assert_close(loss[0], crossed - entropy)


def test_binary_soft_loss_of_the_worked_example():
    student = torch.tensor([0.3], requires_grad=True)
    loss = KINDS["binary"].soft_loss(student, torch.tensor([1.2]))
    p = torch.tensor(0.768525)
    entropy = -(p * p.log() + (1 - p) * (1 - p).log())
    torch.testing.assert_close(loss, (0.623798 - entropy)[None], atol=2e-6, rtol=0)
    torch.testing.assert_close(gradient(loss, student), torch.sigmoid(torch.tensor([0.3])) - p, atol=2e-6, rtol=0)


def test_binary_soft_loss_is_that_of_two_classes():
    student, teacher = outputs_of("binary"), outputs_of("binary", seed=1)
    zeros = torch.zeros(7)
    two = KINDS["multiclass"].soft_loss(torch.stack([zeros, student], -1), torch.stack([zeros, teacher], -1), 3.0)
    torch.testing.assert_close(KINDS["binary"].soft_loss(student, teacher, 3.0), two)


def test_regression_soft_loss_of_the_worked_example():
    loss = KINDS["regression"].soft_loss(torch.tensor([2.5, 0.0]), torch.tensor([2.1, 0.3]), temperature=5.0)
    assert float(loss.mean()) == pytest.approx(0.125)

"""Kinds with several targets per row: labels, tokens, documents."""

import math

import pytest
import torch

from polytask import Task, UserError
from polytask.task import KINDS

NAN = math.nan
WIDE = sorted(name for name, kind in KINDS.items() if kind.wide)


def rows(name: str, seed: int = 0) -> torch.Tensor:
    """Outputs for five rows of four places."""
    shape = (5, 4, 3) if KINDS[name].vector_output else (5, 4)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def targets(name: str) -> torch.Tensor:
    return torch.tensor(
        [[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, NAN, NAN], [NAN] * 4, [1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, NAN]]
    )


def marked(name: str, teacher: torch.Tensor) -> torch.Tensor:
    """A teacher with NaN where there is no target."""
    missing = torch.isnan(targets(name))
    return teacher.masked_fill(missing[..., None] if KINDS[name].vector_output else missing, NAN)


@pytest.mark.parametrize("name", WIDE)
def test_places_without_a_target_have_no_influence_on_loss_and_gradient(name):
    kind, missing = KINDS[name], torch.isnan(targets(name))
    for loss in (lambda o: kind.loss(o, targets(name)), lambda o: kind.soft_loss(o, marked(name, rows(name, 1)), 2.0)):
        found = []
        for scale in (1.0, 1e4):
            outputs = torch.where(missing[..., None] if kind.vector_output else missing, scale, 1.0) * rows(name)
            outputs.requires_grad_()
            value = loss(outputs).sum()
            (gradient,) = torch.autograd.grad(value, outputs)
            assert gradient[missing].eq(0).all()
            found.append((value.detach(), gradient))
        torch.testing.assert_close(found[0], found[1])
        assert torch.isfinite(found[0][0])


@pytest.mark.parametrize("name", WIDE)
def test_the_soft_loss_is_least_where_student_and_teacher_agree(name):
    kind, teacher = KINDS[name], marked(name, rows(name))
    student = rows(name).requires_grad_()
    loss = kind.soft_loss(student, teacher, 2.0)
    torch.testing.assert_close(loss, torch.zeros_like(loss), atol=2e-6, rtol=0)
    (gradient,) = torch.autograd.grad(loss.sum(), student)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=2e-6, rtol=0)
    assert kind.soft_loss(rows(name, 1), teacher).sum() > 0.1


def test_labels_and_tokens_have_the_losses_of_their_scalar_kinds():
    for name, scalar in (("multilabel", "binary"), ("tags", "multiclass")):
        known = ~torch.isnan(targets(name))
        outputs, teacher = rows(name), rows(name, 1)
        torch.testing.assert_close(
            KINDS[name].loss(outputs, targets(name))[known], KINDS[scalar].loss(outputs[known], targets(name)[known])
        )
        torch.testing.assert_close(
            KINDS[name].soft_loss(outputs, marked(name, teacher), 3.0)[known],
            KINDS[scalar].soft_loss(outputs[known], teacher[known], 3.0),
        )
        assert KINDS[name].counts(targets(name)).tolist() == [4, 2, 0, 4, 3]


def test_listwise_losses_of_the_worked_example():
    teacher, student = torch.tensor([[3.0, 1.0, 0.0, NAN]]), torch.tensor([[1.0, 1.0, 0.0, 5.0]])
    ranking = KINDS["ranking"]
    assert float(ranking.loss(student, teacher)) == pytest.approx(0.904005, abs=1e-6)
    assert float(ranking.soft_loss(student, teacher)) == pytest.approx(0.379738, abs=1e-6)
    assert ranking.counts(torch.tensor([[1.0, NAN], [1.0, 1.0], [NAN, NAN]])).tolist() == [0, 1, 0]


def test_pairwise_losses_by_hand():
    pairwise = KINDS["pairwise_ranking"]
    scores = torch.tensor([[1.0, 0.5, -1.0]])
    wanted = torch.tensor([[2.0, 0.0, 0.0]])  # two pairs of different relevance
    expected = (math.log1p(math.exp(-0.5)) + math.log1p(math.exp(-2.0))) / 2
    assert float(pairwise.loss(scores, wanted)) == pytest.approx(expected)
    assert pairwise.counts(torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, NAN]])).tolist() == [0, 1, 0]
    teacher = torch.tensor([[0.3, 1.0, 0.0]])
    pairs = [(0, 1), (0, 2), (1, 2)]
    each = [KINDS["binary"].soft_loss(scores[0, a] - scores[0, b], teacher[0, a] - teacher[0, b]) for a, b in pairs]
    torch.testing.assert_close(pairwise.soft_loss(scores, teacher), torch.stack(each).mean()[None])


def test_a_ranking_does_not_depend_on_a_shift_of_the_scores():
    for name in ("ranking", "pairwise_ranking"):
        kind = KINDS[name]
        for shift in (0.0, 7.0):
            torch.testing.assert_close(
                kind.soft_loss(rows(name) + shift, marked(name, rows(name, 1))),
                kind.soft_loss(rows(name), marked(name, rows(name, 1))),
                atol=1e-5, rtol=1e-4,
            )  # fmt: skip


@pytest.mark.parametrize(("kind", "classes"), [("multilabel", ()), ("tags", ("O",)), ("ranking", ("a", "b"))])
def test_wrong_classes_are_refused(kind, classes):
    with pytest.raises(UserError, match="classes"):
        Task("a", kind=kind, classes=classes)

"""Permutation importance finds what targets depend on."""

import numpy as np
import pytest

from polytask.errors import UserError
from polytask.runs import Bundle


def test_it_finds_what_every_target_needs(predictor, frame):
    found = predictor.explain(frame, repeats=3)
    assert ("b", "b_again") in found.features and found.targets == ("sold", "grade", "taste", "price")
    best = {target: found.top(target, 1)[0][0] for target in ("sold", "grade", "taste")}
    assert best == {"sold": "a", "grade": "b, b_again", "taste": "colour"}
    useless = found.features.index(("useless",))
    assert (found.values[useless] < 0.1).all() and found.values.max() > 0.5
    assert {name for name, *_ in found.top("price", 2)} == {"a", "b, b_again"}
    assert (found.errors[found.features.index(("a",)), 0] > 0) and "feature" in found._repr_html_()


def test_groups_are_what_the_user_states(predictor, frame):
    alone = predictor.explain(frame, repeats=1, correlated=2)
    assert ("b",) in alone.features and ("b_again",) in alone.features
    together = predictor.explain(frame, repeats=1, groups=[["a", "colour"]])
    assert ("a", "colour") in together.features and ("b",) in together.features


def test_the_seed_decides(predictor, frame):
    first, again = (predictor.explain(frame, repeats=1, rows=100, seed=3).values for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_the_networks_run_once_for_all_targets(predictor, frame, monkeypatch):
    calls, outputs = [], Bundle.outputs
    monkeypatch.setattr(Bundle, "outputs", lambda self, *given: calls.append(1) or outputs(self, *given))
    found = predictor.explain(frame, repeats=2)
    assert len(calls) == 1 + 2 * len(found.features) and len(found.targets) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": [["a", "c"]]}, "'c' is not a feature"),
        ({"groups": [["a"], ["a"]]}, "named twice"),
        ({"repeats": 0}, "at least 1 repeat"),
    ],
)
def test_mistakes_are_named(predictor, frame, options, says):
    with pytest.raises(UserError, match=says):
        predictor.explain(frame, **options)
    with pytest.raises(UserError, match="did you mean 'price'"):
        predictor.explain(frame, repeats=1, rows=50).top("prise")

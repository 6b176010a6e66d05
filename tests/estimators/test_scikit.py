"""scikit-learn's own checks, and its tools around our estimators."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from polytask.estimators import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor

FAST = {"steps": 40, "random_state": 0, "settings": {"evaluate_every": 8}}
#: Checks that do not hold, each with its reason.
EXEMPT = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn at random, so that a row with the weight 2 is "
    "not trained on in the steps in which two equal rows are",
}


@parametrize_with_checks(
    [
        MultiTaskRegressor(steps=60, random_state=0, settings={"evaluate_every": 6}),
        MultiTaskClassifier(steps=120, random_state=0, settings={"evaluate_every": 6}),
        MultiTaskEstimator(steps=20, random_state=0, settings={"evaluate_every": 5}),
    ],
    expected_failed_checks=lambda _: EXEMPT,
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 3))
    return x, np.stack([x[:, 0] + x[:, 1], x[:, 2] - x[:, 0]], axis=1)


def test_pipeline_and_search_and_clone(data):
    x, y = data
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), MultiTaskRegressor(**FAST))
    search = GridSearchCV(pipeline, {"multitaskregressor__learning_rate": [1e-5, 1e-2]}, cv=2).fit(x, y)
    assert search.best_params_ == {"multitaskregressor__learning_rate": 1e-2} and search.best_score_ > 0.5
    assert search.predict(x).shape == (240, 2)
    assert clone(search.best_estimator_).get_params()["multitaskregressor__learning_rate"] == 1e-2


def test_cross_val_predict_of_classes_and_their_probabilities(data):
    x, y = data
    model = MultiTaskClassifier(steps=60, learning_rate=1e-2, random_state=0)
    found = cross_val_predict(model, x, y > 0, cv=2)
    assert (found == (y > 0)).mean() > 0.8
    one = clone(model).fit(x, np.where(y[:, 0] > 0, "up", "down"))
    shares = one.predict_proba(x)
    assert one.classes_.tolist() == ["down", "up"] and shares.shape == (240, 2)
    assert (one.classes_[shares.argmax(1)] == one.predict(x)).all()


def test_frames_with_words_and_missing_labels(data):
    x, y = data
    frame = pd.DataFrame({"a": x[:, 0], "side": np.where(x[:, 1] > 0, "left", None), "c": x[:, 2]})
    labels = pd.DataFrame({"up": np.where(y[:, 0] > 0, "yes", "no"), "y": y[:, 1]})
    labels.loc[:40, "y"] = np.nan
    model = MultiTaskEstimator(steps=100, learning_rate=1e-2, random_state=0).fit(frame, labels)
    found = model.predict(frame)
    assert set(found[:, 0]) == {"yes", "no"} and model.target_names_ == ["up", "y"]
    assert model.score(frame, labels) > 0.7
    assert (pickle.loads(pickle.dumps(model)).predict(frame) == found).all()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "b"}))


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "mapping", "array"])
def test_classes_of_words_and_numbers_and_numbers_in_every_form(data, form):
    """Also the score: beside words, predicted whole numbers are objects in the array."""
    x, y = data
    features = pd.DataFrame(x, columns=["a", "b", "c"])
    labels = pd.DataFrame({"up": np.where(y[:, 0] > 0, "yes", "no"), "stars": (y[:, 1] > 0) + 1, "price": y[:, 1]})
    forms = {
        "pandas": lambda frame: frame,
        "polars": pl.from_pandas,
        "arrow": pa.Table.from_pandas,
        "mapping": lambda frame: {name: frame[name].to_numpy() for name in frame},
        "array": pd.DataFrame.to_numpy,
    }
    model = MultiTaskEstimator(steps=60, learning_rate=1e-2, random_state=0)
    model.fit(forms[form](features), forms[form](labels))
    found = model.predict(forms[form](features))
    assert model.target_names_ == (["y0", "y1", "y2"] if form == "array" else ["up", "stars", "price"])
    assert set(found[:, 0]) == {"yes", "no"} and set(found[:, 1]) == {1, 2} and found.shape == (240, 3)
    assert model.score(forms[form](features), forms[form](labels)) > 0.7


def test_weights_count(data):
    x, _ = data
    y = np.where(np.arange(240) % 2, 1.0, -1.0) + 0.01 * x[:, 0]
    light, heavy = (
        MultiTaskRegressor(**FAST).fit(x, y, sample_weight=np.where(y > 0, weight, 1.0)).predict(x).mean()
        for weight in (0.01, 100.0)
    )
    assert light + 0.02 < heavy  # validation, where rows count alike, keeps an early checkpoint


def test_the_seed_decides(data):
    x, y = data
    first, again = (MultiTaskRegressor(**FAST).fit(x, y).predict(x) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_rare_class_is_never_predicted_and_has_no_probability(data):
    x, y = data
    labels = np.where(y[:, 0] > 0, "b", "a")
    labels[7] = "c"
    model = MultiTaskClassifier(**FAST).fit(x, labels)
    assert model.classes_.tolist() == ["a", "b", "c"]
    shares = model.predict_proba(x)
    assert (shares[:, 2] == 0).all() and set(model.predict(x)) == {"a", "b"}


def test_mistakes_are_named(data):
    x, y = data
    with pytest.raises(ValueError, match="did you mean 'steps'"):
        MultiTaskRegressor(settings={"stpes": 3}).fit(x, y)
    with pytest.raises(ValueError, match="validation_fraction"):
        MultiTaskRegressor(validation_fraction=0).fit(x, y)
    with pytest.raises(ValueError, match="infinity"):
        MultiTaskRegressor().fit(x, np.full_like(y, np.inf))

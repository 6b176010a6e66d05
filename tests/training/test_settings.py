"""Settings: unusable values are refused, defaults follow the number of rows."""

import math

import pytest

from polytask import TrainingSettings, UserError


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"evaluate_every": 0},
        {"patience": 0},
        {"threads": 0},
        {"epochs": 0.0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"gradient_clip": -1.0},
        {"weight_decay": -0.1},
        {"weight_decay": math.nan},
        {"optimizer": "adamm"},
        {"precision": "64"},
        {"device": "tpu"},
    ],
)
def test_an_unusable_value_is_refused_by_name(options):
    with pytest.raises(UserError, match=next(iter(options))):
        TrainingSettings(**options)


def test_all_mistakes_are_shown_at_once():
    with pytest.raises(UserError) as error:
        TrainingSettings(steps=0, learning_rate=-1, optimizer="adamm")
    assert len(error.value.problems) == 3


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 500, 10_000, 10_000_000])
def test_defaults_are_usable_for_any_number_of_rows(rows):
    settings = TrainingSettings().resolve(rows)
    assert 1 <= settings.batch_size <= min(rows, 512)
    assert 2_000 <= settings.steps <= 20_000
    assert 1 <= settings.evaluate_every <= settings.steps


def test_epochs_become_steps():
    assert TrainingSettings(epochs=1.5, batch_size=30).resolve(100).steps == 6
    assert TrainingSettings(epochs=0.01, batch_size=30).resolve(100).steps == 1


def test_given_values_stay_and_resolving_twice_changes_nothing():
    settings = TrainingSettings(steps=7, batch_size=3, evaluate_every=2).resolve(100)
    assert (settings.steps, settings.batch_size, settings.evaluate_every) == (7, 3, 2)
    assert settings.resolve(100) == settings


def test_a_batch_has_no_more_rows_than_there_are_and_an_evaluation_comes_at_the_latest_at_the_end():
    settings = TrainingSettings(steps=7, batch_size=300, evaluate_every=20).resolve(100)
    assert (settings.batch_size, settings.evaluate_every) == (100, 7)

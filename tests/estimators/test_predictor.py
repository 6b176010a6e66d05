"""A run in Python: frames in, frames out, nothing left behind."""

import logging
import pickle
import re

import numpy as np
import polars as pl
import pytest

import polytask as pt
from polytask.errors import UserError
from polytask.estimators import TablePredictor


def test_predictions_keep_index_order_and_types(predictor, frame):
    found = predictor.predict(frame)
    assert found.index.equals(frame.index)
    assert found.columns.tolist() == ["sold", "grade", "taste", "price"]
    assert found["sold"].dtype == bool and found["grade"].dtype == frame["grade"].dtype
    assert found["taste"].dtype == "category"
    assert (found["sold"] == frame["sold"]).mean() > 0.9
    assert np.corrcoef(found["price"], frame["price"])[0, 1] > 0.9


def test_the_same_predictions_for_every_library(predictor, frame):
    expected = predictor.predict(frame)["price"].to_numpy()
    for other in (pl.from_pandas(frame), {name: frame[name].to_numpy() for name in frame}):
        found = predictor.predict(other)
        assert isinstance(found, type(other))
        np.testing.assert_array_equal(np.asarray(found["price"]), expected)


def test_predictions_need_no_labels_and_shuffle_with_the_rows(predictor, frame):
    features = frame[["a", "b", "b_again", "useless", "colour"]]
    order = np.random.default_rng(1).permutation(len(frame))
    found = predictor.predict(features.iloc[order])
    np.testing.assert_allclose(found["price"], predictor.predict(frame)["price"].iloc[order], rtol=1e-5)


def test_probabilities_sum_to_one_and_decide(predictor, frame):
    found = predictor.predict_proba(frame)
    assert set(found) == {"sold", "grade", "taste"}
    assert found["grade"].columns.tolist() == ["0", "1", "2"] and found["grade"].index.equals(frame.index)
    np.testing.assert_allclose(found["grade"].sum(axis=1), 1, atol=1e-6)
    assert (found["grade"].to_numpy().argmax(1) == predictor.predict(frame)["grade"]).all()


def test_evaluate_and_score_see_the_labels_that_are_there(predictor, frame):
    found = predictor.evaluate(frame.drop(columns=["taste"]))
    assert set(found) == {"sold", "grade", "price"}
    assert found["sold"]["labels"] == len(frame) and found["sold"]["value"] > 0.9
    assert 0.5 < predictor.score(frame) <= 1
    wrong = frame.assign(sold=~frame["sold"])[["a", "b", "b_again", "useless", "colour", "sold"]]
    assert predictor.score(wrong) < -0.5


def test_a_saved_run_and_a_pickle_predict_the_same(predictor, frame, tmp_path):
    expected = predictor.predict(frame)
    again = pt.load(predictor.save(tmp_path / "kept"))
    assert again.predict(frame).equals(expected)
    assert pickle.loads(pickle.dumps(predictor)).predict(frame).equals(expected)
    with pytest.raises(UserError, match="exists already"):
        predictor.save(tmp_path / "kept")


def test_the_commands_read_its_folder(predictor, frame, tmp_path):
    from polytask.runs import Bundle

    columns = predictor.predict(frame)
    table = Bundle.load(predictor.save(tmp_path / "run")).predict(frame)
    assert table["price"].to_pylist() == columns["price"].tolist()


def test_blanks_around_names_do_not_count(frame):
    padded = frame.rename(columns=lambda name: f" {name} ")
    one = TablePredictor([" price "], networks=1, steps=5, baselines=False).fit(padded)
    assert one.predict(padded).equals(one.predict(frame)) and one.predict(frame).columns.tolist() == ["price"]


def test_nothing_is_left_when_it_is_gone(frame):
    one = TablePredictor(["price"], networks=1, steps=5, baselines=False).fit(frame)
    folder = one.run
    assert folder.exists()
    del one
    assert not folder.exists()


def test_a_folder_that_was_asked_for_stays_and_is_resumed(frame, tmp_path):
    settings = {"networks": 1, "steps": 5, "baselines": False}
    first = TablePredictor(["price"], **settings).fit(frame, out=tmp_path / "run")
    with pytest.raises(UserError, match="exists"):
        TablePredictor(["price"], **settings).fit(frame, out=tmp_path / "run")
    again = TablePredictor(["price"], **settings).fit(frame, out=tmp_path / "run", resume=True)
    assert again.predict(frame).equals(first.predict(frame))
    with pytest.raises(UserError, match="has changed"):
        TablePredictor(["price"], **settings).fit(frame.assign(a=0.0), out=tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda frame: TablePredictor(["price"], step=3), "did you mean 'steps'"),
        (lambda frame: TablePredictor(["price"], out="run"), r"out: give it to fit"),
        (lambda frame: TablePredictor(), "targets"),
        (lambda frame: TablePredictor(["prize"]).fit(frame), "did you mean 'price'"),
        (lambda frame: TablePredictor(["price"]).predict(frame), "not fitted"),
        (lambda frame: TablePredictor(["price"]).fit(frame, resume=True), "out"),
        (lambda frame: TablePredictor(["price"]).fit(7), "found int"),
    ],
)
def test_mistakes_are_named_before_any_work(frame, make, says):
    with pytest.raises(UserError, match=says):
        make(frame)


def test_the_report_and_the_metrics_can_be_shown(predictor, tmp_path):
    page = predictor.report()
    assert page.save(tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert page._repr_html_().startswith("<iframe srcdoc=")
    shown = predictor._repr_html_()
    entry = predictor.results["tasks"]["price"]
    half = (entry["interval"][1] - entry["interval"][0]) / 2
    [(found, bars)] = re.findall(r"<td>([\d.]+) \u00b1([\d.]+)</td>", shown[shown.index(">price</th>") :])[:1]
    assert float(found) == pytest.approx(entry["test"], abs=half) and float(bars) == pytest.approx(half, rel=0.1)
    assert ">sold</th>" in shown and len(bars.strip("0.")) <= 2  # no digits that the interval makes meaningless
    assert TablePredictor(["price"])._repr_html_() is None


def test_silent_but_for_the_logger(frame, capfd, caplog):
    with caplog.at_level(logging.INFO, logger="polytask"):
        TablePredictor(["price"], networks=1, steps=5, baselines=False).fit(frame)
    assert capfd.readouterr() == ("", "")
    assert any("price: regression" in record.getMessage() for record in caplog.records)


def test_settings_come_from_a_file_too(frame, tmp_path):
    (tmp_path / "study.yaml").write_text("targets: [price]\nsteps: 7\nnetworks: 1\n")
    one = TablePredictor(config=tmp_path / "study.yaml", steps=5)
    assert one.settings["steps"] == 5 and one.settings["targets"] == ["price"]

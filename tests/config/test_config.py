"""The configuration: mistakes are named, all at once; every setting arrives."""

import pytest
import yaml

from polytask import AsynchronousConvergence, TrainingSettings, UserError
from polytask.config import Config, ConvergenceOptions, make_config
from polytask.config.file import apply_overrides, read_config
from polytask.config.texts import values
from polytask.training.callbacks import AffinityProbe

LEAST = {"data": "table.csv", "targets": ["click", "price"]}


def problems(**values) -> list[str]:
    with pytest.raises(UserError) as error:
        make_config({**LEAST, **values}, "run.yaml")
    assert all(problem.startswith("run.yaml: ") for problem in error.value.problems)
    return [problem.removeprefix("run.yaml: ") for problem in error.value.problems]


def test_data_and_targets_are_enough():
    config = make_config(LEAST)
    assert config.targets == ("click", "price")
    assert config.training() == TrainingSettings(ema=config.ema)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bach_size": 3}, "unknown key 'bach_size'; did you mean 'batch_size'?"),
        ({"model": {"hiden": [3]}}, "unknown key 'model.hiden'; did you mean 'hidden'?"),
        ({"convergence": {"patiense": 3}}, "unknown key 'convergence.patiense'; did you mean 'patience'?"),
        (
            {"sequential": {"order": "random"}},
            "sequential: has an effect only with converge: sequential, found 'joint'",
        ),
        ({"sampling": "equal"}, "sampling: has an effect only with several data sets, found one"),
        (
            {"strategy": "fsdp"},
            "strategy: fsdp has no gradients per task, by which networks are chosen (grouping 'tag'); give "
            "networks: 1, or grouping: given",
        ),
        (
            {"strategy": "fsdp", "networks": 1, "balance": "pcgrad"},
            "strategy: fsdp has no gradients per task, which balance: 'pcgrad' needs; choose another",
        ),
        ({"networks": 0}, "networks: expected auto, single_task or a number of at least 1, found 0"),
        ({"networks": "all"}, "networks: expected auto, single_task or a number of at least 1, found 'all'"),
        ({"balance": "equl"}, "balance: unknown method 'equl'; did you mean 'equal'?"),
        ({"balance": {"temperature": 2}}, "balance: expected a method with its options, found"),
        ({"metric": {"clik": "roc_auc"}}, "metric: 'clik' is not a target; did you mean 'click'?"),
        ({"split": [0.5, 0.4, 0.3]}, "split: expected three shares above 0 that sum to 1, found [0.5, 0.4, 0.3]"),
        ({"split": [0.5, 0.5]}, "split: expected the name of a column, or three shares, found [0.5, 0.5]"),
        ({"kind": {"click": "binry"}}, "kind.click must be one of binary, "),
        ({"learning_rate": -1}, "learning_rate must be more than 0 and finite, found -1"),
        ({"convergence": {"temperature": {}}}, "convergence.temperature must be more than 0, found {}"),
        ({"affinity": {"stop": []}}, "affinity.stop must be a whole number of at least 1, found []"),
        ({"freeze": [{"part": "a", "until": -1}]}, "freeze.0.until must be more than 0 and finite, found -1"),
        ({"teachers": "kept", "baselines": False}, "teachers: has an effect only where single-task models are trained"),
        ({"steps": True}, "steps must be a whole number of at least 1, found True"),
        ({"convergence": {"patience": 0}}, "convergence.patience must be a whole number of at least 1, found 0"),
        ({"convergence": {"half": True, "soft_labels": "online"}}, "convergence: half: has an effect only with soft_"),
        ({"convergence": {"relative": True}}, "convergence: relative: has an effect only with min_delta above 0"),
        ({"affinity": {"stop": -3}}, "affinity.stop must be a whole number of at least 1, found -3"),
        ({"parts": {"a": {"warmup": -1}}}, "parts.a.warmup must be a whole number of at least 0, found -1"),
        ({"optimizer": "adma"}, "optimizer must be one of adam, adamw, sgd, found 'adma'; did you mean 'adam'?"),
        ({"steps": 10, "epochs": 1}, "give steps or epochs, not both"),
        ({"model": {"dropout": 1}}, "model.dropout must be at least 0 and less than 1, found 1"),
        ({"model": {"hidden": [16, 0]}}, "model.hidden.1 must be a whole number of at least 1, found 0"),
        ({"seed": "x"}, "seed must be a whole number of at least 0"),
        ({"targets": []}, "targets: tuple should have at least 1 item"),
    ],
)
def test_a_mistake_is_named_once_with_its_key(values, message):
    (problem,) = problems(**values)
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("entries", "message", "more"),
    [
        ([{"tasks": ["clik"], "balance": "dwa"}], "entry 1: 'clik' is not a target; did you mean 'click'?", {}),
        ([{"tasks": ["click"]}], "entry 1: is empty", {}),
        ([{"tasks": ["click"], "balance": "dwaa"}], "entry 1: balance: unknown method 'dwaa'", {}),
        (
            [{"tasks": ["click"], "converge": "off", "joint": {"restore": True}}],
            "entry 1: joint: has an effect only with converge: joint, found 'off'",
            {},
        ),
        (
            [{"tasks": ["click"], "balance": "dwa"}, {"tasks": ["click", "price"], "balance": "dwa"}],
            "entry 2: no network that holds click, price is left for it",
            {"networks": 1},
        ),
        ([{"tasks": ["click", "price"], "balance": "dwa"}], "entry 1: no network", {"networks": "single_task"}),
        (
            [{"tasks": ["click", "price"], "balance": "dwa"}],
            "entry 1: no network",
            {"grouping": "given", "groups": [["click"], ["price"]]},
        ),
    ],
)
def test_settings_of_a_network_that_cannot_be_used_are_refused(entries, message, more):
    (problem,) = problems(network_settings=entries, **more)
    assert problem.startswith(f"network_settings: {message}")


def test_an_unknown_key_in_a_list_is_named():
    (problem,) = problems(network_settings=[{"tasks": ["click"], "blance": "dwa"}])
    assert problem == "unknown key 'network_settings.0.blance'; did you mean 'balance'?"


def test_a_network_has_the_settings_of_the_first_entry_that_fits():
    entries = [
        {"tasks": ["click", "price"], "converge": False},
        {"tasks": ["price"], "balance": {"name": "dwa", "temperature": 1.5}, "convergence": {"patience": 4}},
    ]
    config = make_config({**LEAST, "convergence": {"patience": 3}, "joint": {"restore": True},
                          "network_settings": entries})  # fmt: skip
    both, price, click = (config.for_network(tasks) for tasks in (["price", "click"], ["price"], ["click"]))
    assert (both.converge, both.balance, both.convergence, both.joint.restore) == (
        "off", "equal", ConvergenceOptions(), False)  # fmt: skip
    assert (price.converge, price.balance["name"], price.convergence.patience) == ("joint", "dwa", 4)
    assert price.joint.restore and click.model_dump() == {**config.model_dump(), "network_settings": ()}
    assert make_config(yaml.safe_load(config.to_yaml())).for_network(["price"]) == price


@pytest.mark.parametrize("key", LEAST)
def test_a_missing_key_is_named(key):
    with pytest.raises(UserError, match=f"key '{key}' is missing"):
        make_config({name: value for name, value in LEAST.items() if name != key})


def test_several_mistakes_are_shown_at_once():
    assert len(problems(bach_size=3, seed="x", model={"hiden": [3]}, convergence={"patience": 0})) == 4
    assert len(problems(convergence={"patience": 0, "patiense": 3, "test": "fixed", "fixed_step": {"click": 0}})) == 3
    assert len(problems(networks=0, balance="equl", learning_rate=-1, batch_size=0, weights={"x": 1})) == 5


def test_the_file_written_for_a_run_gives_the_same_configuration(tmp_path):
    config = make_config({**LEAST, "balance": {"name": "dwa", "temperature": 1.5}, "split": "part", "epochs": 0.5})
    assert make_config(yaml.safe_load(config.to_yaml())) == config


def test_every_setting_of_a_training_is_a_key_with_the_same_default():
    fields = {name: field.default for name, field in TrainingSettings.model_fields.items()}
    # Except the moving average: `fit` makes choices for the user, the library leaves them to the user.
    assert fields.pop("ema") is None and Config.model_fields["ema"].default == 0.98
    assert {name: Config.model_fields[name].default for name in fields} == fields


def test_the_sections_fit_the_classes_they_configure():
    assert isinstance(AsynchronousConvergence(), ConvergenceOptions)
    assert AffinityProbe(**make_config(LEAST).affinity.options()).settings() == AffinityProbe().settings()


def test_keys_of_affinity_that_do_nothing_with_its_estimator_are_refused():
    make_config({**LEAST, "affinity": {"estimator": "lookahead", "lookahead": "optimizer", "every": 5}})
    with pytest.raises(
        UserError, match="lookahead: has an effect only with estimator: lookahead or gramian, found 'factored'"
    ):
        make_config({**LEAST, "affinity": {"estimator": "factored", "lookahead": "optimizer"}})
    with pytest.raises(UserError, match=r"affinity\.estimator must be one of auto, cosine, .* found 'tag'"):
        make_config({**LEAST, "affinity": {"estimator": "tag"}})


def test_a_relative_table_is_beside_its_configuration(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("data: table.csv\ntargets: [click]\n")
    assert read_config(path)["data"] == str(tmp_path / "table.csv")
    path.write_text("data: /elsewhere/table.csv\n")
    assert read_config(path)["data"] == "/elsewhere/table.csv"


@pytest.mark.parametrize(
    ("content", "words"),
    [("a: [", "not readable as YAML"), ("- a\n- b\n", "expected keys and values"), ("", "found NoneType")],
)
def test_a_file_that_is_no_configuration_is_an_error(tmp_path, content, words):
    path = tmp_path / "run.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=words):
        read_config(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no\.yaml: "):
        read_config(tmp_path / "no.yaml")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_files_nested_a_hundred_thousand_times_are_refused(tmp_path, opening):
    """The parser in C would end the process."""
    path = tmp_path / "run.yaml"
    path.write_text(opening * 100_000)
    with pytest.raises(UserError, match=r"run\.yaml: not readable as YAML: nested too deeply"):
        read_config(path)


def test_overrides_are_yaml_and_reach_into_sections():
    values = {"model": {"dropout": 0.1}, "seed": 1}
    apply_overrides(values, ["model.hidden=[64, 32]", "seed=3", "convergence.patience=2", "id=a=b", "steps=null"])
    assert values == {
        "model": {"dropout": 0.1, "hidden": [64, 32]},
        "seed": 3,
        "convergence": {"patience": 2},
        "id": "a=b",
        "steps": None,
    }


def test_names_of_columns_in_overrides_may_have_dots():
    values = {}
    apply_overrides(values, ["data.column_kind.wage.1979=text", "bounds.a.b.c=[0, 1]", "metric.m=mae"])
    assert values == {"column_kind": {"wage.1979": "text"}, "bounds": {"a.b.c": [0, 1]}, "metric": {"m": "mae"}}


def test_overrides_that_are_not_key_and_value_are_all_named():
    wrong = ["seed", "=3", "seed.deeper=1", "model=[", "model.=2"]
    with pytest.raises(UserError) as error:
        apply_overrides({"seed": 1}, [*wrong, "steps=5"])
    assert [problem.split(":")[0] for problem in error.value.problems] == [f"--set {text}" for text in wrong]


@pytest.mark.parametrize("key", ["balance", "distillation.distill", "model.encoder"])
def test_an_option_is_added_to_what_is_given_by_its_name(key: str) -> None:
    inner = key.split(".")[-1]
    values = {inner: "one"}
    apply_overrides(values, [f"{key}.alpha=2", f"{key}.beta=3"])
    assert values == {inner: {"name": "one", "alpha": 2, "beta": 3}}


@pytest.mark.parametrize("key", ["split", "note", "threshold", "calibration"])
def test_nothing_is_added_to_other_words(key: str) -> None:
    """`--threshold auto` has no target called `name`."""
    with pytest.raises(UserError, match="expected key=value"):
        apply_overrides({key: "auto"}, [f"{key}.click=0.3"])


@pytest.mark.parametrize(
    ("converge", "key", "options"),
    [("off", "convergence", {"patience": 3}), ("off", "joint", {"restore": True}),
     ("sequential", "joint", {"restore": True}), ("joint", "sequential", {"order": "random"})],
)  # fmt: skip
def test_settings_of_a_convergence_that_is_not_on_are_refused(converge, key, options):
    (problem,) = problems(converge=converge, **{key: options})
    assert key in problem and repr(converge) in problem


def test_words_that_yaml_reads_as_yes_and_no() -> None:
    found = make_config({**LEAST, "threshold": {LEAST["targets"][0]: False}, "calibration": False})
    assert found.threshold == {LEAST["targets"][0]: "off"} and found.calibration == "off"
    with pytest.raises(UserError, match=r"in quotation marks, such as \{'yes': 5\}"):
        make_config({**LEAST, "class_weights": {LEAST["targets"][0]: {True: 5}}})


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "2001-99-99", "[1", "!!python/name:os.system"])
@pytest.mark.parametrize("before", ["", "a="])
def test_options_that_are_no_yaml_are_refused(before, text):
    with pytest.raises(UserError, match=r"--class-weights .*expected TARGET=VALUE with a value as in YAML"):
        values([before + text], "--class-weights")

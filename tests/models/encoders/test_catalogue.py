"""The key `encoder`: names, options, refusals, and what is recorded."""

import pytest
import yaml

from polytask import UserError
from polytask.config import make_config
from polytask.models.encoders import ENCODERS, MLP, encoder_named, encoder_problems, is_named, resolved

BASE = {"data": "t.csv", "targets": ["a", "b"]}


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_has_a_page_in_its_docstring_and_described_options(name):
    kind = ENCODERS[name]
    assert kind.name == name
    assert kind.__doc__
    assert all(field.description for field in kind.model_fields.values())


@pytest.mark.parametrize("name", ["resnet", "ft_transformer", "tabm"])
def test_an_encoder_is_recorded_with_its_defaults_however_it_was_written(name):
    short, long = (make_config({**BASE, "encoder": spec}) for spec in (name, {"name": name}))
    assert short == long
    assert short.encoder == resolved(name)
    assert make_config(yaml.safe_load(short.to_yaml())) == short


def test_the_default_encoder_has_its_options_in_one_place():
    plain = make_config(BASE)
    assert plain.encoder is None
    assert make_config({**BASE, "encoder": "mlp"}) == plain
    small = make_config({**BASE, "encoder": {"name": "mlp", "hidden": [8]}})
    assert small == make_config({**BASE, "model": {"hidden": [8]}})
    assert small.named_encoder == MLP(hidden=(8,))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"encoder": "tabn"}, ["'tabn' is not known", "'tabm'", "package.module:Class"]),
        ({"encoder": {"name": "tabm", "member": 4}}, ["no option 'member'", "'members'"]),
        ({"encoder": {"name": "tabm", "members": 1}}, ["tabm", "members", "found 1"]),
        ({"encoder": {"name": "resnet", "numbers": "sine"}}, ["resnet", "numbers", "sine"]),
        ({"encoder": "tabm:here"}, ["name after a colon", "'here'"]),
        ({"encoder": {"name": "ft_transformer", "width": 20}}, ["multiple of heads"]),
        ({"encoder": {"name": "ft_transformer", "numbers": {"name": "periodic", "width": 3}}}, ["width of the tokens"]),
        ({"encoder": "tabm", "sharing": "mmoe"}, ["'mmoe'", "'tabm'", "use hard"]),
        ({"encoder": "ft_transformer", "sharing": "mtan"}, ["'mtan'", "hard or mmoe"]),
        ({"encoder": "tabm", "model": {"hidden": [4]}}, ["model:", "no effect"]),
        ({"encoder": {"name": "mlp", "dropout": 0.2}, "model": {"hidden": [4]}}, ["give only one"]),
        ({"model": {"numbers": {"name": "piecewise", "bins": 1}}}, ["bins", "found 1"]),
    ],
)
def test_mistakes_are_named_with_the_remedy(values, words):
    with pytest.raises(UserError) as raised:
        make_config(BASE | values)
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_class_of_the_users_is_no_name():
    assert not is_named("package.module:Class")
    assert not is_named({"class": "package.module:Class"})
    assert not encoder_problems("package.module:Class", "mmoe")
    assert make_config({**BASE, "encoder": "package.module:Class"}).named_encoder is None


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("polytask.extras.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs tabm.*polytask\[tables\]"):
        encoder_named("tabm")


def test_the_default_needs_no_package(monkeypatch):
    monkeypatch.setattr("polytask.extras.find_spec", lambda name: None)
    assert encoder_named("mlp") == MLP()
    assert encoder_named("resnet").name == "resnet"

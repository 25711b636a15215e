"""MLXP's ConfigDict."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
import yaml

from mlxp_nb.core.config_dict import ConfigDict

VALUES: dict[str, Any] = {
    "seed": 0,
    "optimizer": {"lr": 0.1},
    "layers": [{"width": 3}, [1, {"a": 2}]],
}


def test_it_is_a_dict_with_attributes_at_every_depth() -> None:
    config = ConfigDict(VALUES)
    assert isinstance(config, dict)
    assert config == VALUES
    assert config.optimizer.lr == config["optimizer"]["lr"] == 0.1
    assert config.layers[0].width == 3
    assert config.layers[1][1].a == 2


def test_setting_an_attribute_sets_the_item() -> None:
    config = ConfigDict(VALUES)
    config.optimizer.lr = 1.0
    config.new = {"x": [{"y": 1}]}
    assert config["optimizer"]["lr"] == 1.0
    assert config.new.x[0].y == 1
    del config.new
    assert "new" not in config


def test_update_merges_nested_fields() -> None:
    config = ConfigDict({"a": {"b": 1, "c": 2}, "d": 3})
    config.update({"a": {"b": 5}, "e": {"f": 6}})
    assert config == {"a": {"b": 5, "c": 2}, "d": 3, "e": {"f": 6}}
    assert config.e.f == 6


def test_a_key_named_like_a_method_does_not_shadow_it() -> None:
    config = ConfigDict({"items": 1, "update": 2, "a": 3})
    assert config["items"] == 1
    assert len(list(config.items())) == 3


def test_a_missing_field_names_those_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no field 'sed'.*seed"):
        _ = ConfigDict(VALUES).sed


def test_it_shows_itself_as_yaml() -> None:
    assert yaml.safe_load(repr(ConfigDict(VALUES))) == VALUES


@pytest.mark.parametrize(
    "through",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(lambda c: pickle.loads(pickle.dumps(c)), id="pickle"),
        pytest.param(lambda c: ConfigDict(json.loads(json.dumps(c))), id="json"),
    ],
)
def test_copies_are_equal_and_have_attributes(through: Any) -> None:
    config = through(ConfigDict(VALUES))
    assert config == VALUES
    assert config.layers[0].width == 3


def test_to_dict_is_plain_at_every_depth() -> None:
    plain = ConfigDict(VALUES).to_dict()
    assert type(plain["optimizer"]) is dict
    assert type(plain["layers"][0]) is dict

"""Settings files, checked key by key."""

from __future__ import annotations

from typing import Any

import pytest

from mlxp_nb.core.settings import (
    MLXP_DEFAULTS,
    LoggingSettings,
    logging_settings,
    mlxp_settings,
    project_settings,
)
from mlxp_nb.errors import InvalidConfigFileError


def test_what_is_given_is_put_over_the_defaults() -> None:
    settings = mlxp_settings({"logger": {"parent_log_dir": "./out"}, "use_logger": False})
    assert settings["logger"]["parent_log_dir"] == "./out"
    assert settings["logger"]["forced_log_id"] == -1
    assert settings["use_logger"] is False
    assert MLXP_DEFAULTS["use_logger"] is True


@pytest.mark.parametrize(
    ("given", "problem", "hint"),
    [
        pytest.param({"use_loger": 1}, "unknown setting 'use_loger'", "use_logger", id="key"),
        pytest.param({"logger": {"nam": 1}}, "'logger.nam'", "logger.name", id="inner-key"),
        pytest.param({"logger": 3}, "logger is int, not fields", "logger:", id="no-fields"),
        pytest.param({"logger": {"name": "my.Logger"}}, "not supported", "DefaultLogger", id="cls"),
    ],
)
def test_a_wrong_mlxp_setting_is_named(given: dict[str, Any], problem: str, hint: str) -> None:
    with pytest.raises(InvalidConfigFileError, match=problem) as caught:
        mlxp_settings(given)
    assert hint in caught.value.hint


def test_project_settings_are_read() -> None:
    settings = project_settings(
        {"link": ["data"], "snapshot": False, "executors": {"local": {"max_parallel": 2}}}
    )
    assert (settings.link, settings.snapshot) == (("data",), "off")
    assert settings.executors["local"] == {"max_parallel": 2}


@pytest.mark.parametrize(
    ("given", "problem", "hint"),
    [
        pytest.param({"links": []}, "unknown setting 'links'", "did you mean 'link'", id="key"),
        pytest.param({"link": "data"}, "link is not a list", r"link: [data]", id="list"),
        pytest.param({"snapshot": "wroktree"}, "snapshot is", "worktree", id="policy"),
        pytest.param({"max_file_mb": "x"}, "not a number", "max_file_mb: 50", id="number"),
        pytest.param({"executors": ["a"]}, "not fields", "executors:", id="presets"),
        pytest.param({"logging": {"sync": 1}}, "'logging.sync'", "logging.sync_s", id="logging"),
        pytest.param({"logging": {"sync_s": -1}}, "sync_s is -1", "sync_s: 5", id="negative"),
        pytest.param({"logging": 5}, "not fields", "logging:", id="no-logging-fields"),
    ],
)
def test_a_wrong_project_setting_is_named(given: dict[str, Any], problem: str, hint: str) -> None:
    with pytest.raises(InvalidConfigFileError, match=problem) as caught:
        project_settings(given)
    assert hint in caught.value.hint


def test_a_run_finds_how_to_write_in_its_settings() -> None:
    settings = project_settings({"logging": {"sync_s": 0, "output_max_mb": 1.5}}).logging
    assert settings == LoggingSettings(sync_s=0.0, output_max_mb=1.5)
    assert logging_settings({**MLXP_DEFAULTS, **settings.as_section()}) == settings
    assert logging_settings({}) == logging_settings(MLXP_DEFAULTS) == LoggingSettings()


def test_a_token_is_a_setting_only_where_it_is_given() -> None:
    assert "token" not in mlxp_settings({})["logger"]
    assert mlxp_settings({"logger": {"token": "ab"}})["logger"]["token"] == "ab"

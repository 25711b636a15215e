"""From configs and overrides to configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.compose import compose, read_mlxp_settings, read_project_settings
from mlxp_nb.core.sweep import Override, parse_overrides
from mlxp_nb.errors import ConfigError, InvalidConfigFileError, SweepSyntaxError, UnknownNameError
from tests.support import write


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "configs/config.yaml": """
                defaults:
                  - model: mlp
                  - _self_
                seed: 0
                optimizer: {lr: 0.1, name: sgd}
                twice: ${seed}
                """,
            "configs/model/mlp.yaml": "hidden: 8\n",
            "configs/model/logreg.yaml": "penalty: l2\n",
        },
    )
    return tmp_path / "configs"


def config_of(folder: Path, text: str) -> dict[str, Any]:
    (only,) = compose(folder, parse_overrides(text)).configurations
    return dict(only.config)


def test_without_overrides_there_is_one_configuration(configs: Path) -> None:
    assert config_of(configs, "") == {
        "model": {"hidden": 8},
        "seed": 0,
        "optimizer": {"lr": 0.1, "name": "sgd"},
        "twice": 0,
    }


def test_commas_sweep_and_the_last_axis_varies_fastest(configs: Path) -> None:
    grid = compose(
        configs, parse_overrides("optimizer.lr=0.01,0.1 model=logreg,mlp\nseed=range(3)")
    )
    assert [axis.key for axis in grid.axes] == ["optimizer.lr", "model", "seed"]
    assert grid.axes[0].values == ("0.01", "0.1")
    assert len(grid.configurations) == 12
    assert [c.config["seed"] for c in grid.configurations[:4]] == [0, 1, 2, 0]
    assert grid.configurations[0].overrides == ("optimizer.lr=0.01", "model=logreg", "seed=0")
    assert "penalty" in grid.configurations[0].config["model"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("seed=1", 1, id="one"),
        pytest.param("seed=choice(1,2)", 2, id="choice"),
        pytest.param("seed=range(0,10,5)", 2, id="range"),
        pytest.param("model=glob(*)", 2, id="glob"),
        pytest.param("optimizer.name='a,b'", 1, id="quoted"),
        pytest.param("seed=1,2 seed=3,4,5", 3, id="a-later-one-replaces"),
        pytest.param("+extra=[1,2]", 1, id="a-list-is-one-value"),
        pytest.param("~optimizer.name", 1, id="delete"),
        pytest.param("model=logreg,mlp ++x.y=1,2", 4, id="product"),
    ],
)
def test_a_grid_has_as_many_configurations_as_it_says(configs: Path, text: str, count: int) -> None:
    assert len(compose(configs, parse_overrides(text)).configurations) == count


def test_a_group_outside_the_defaults_says_how_to_add_it(configs: Path) -> None:
    write(configs, {"data/small.yaml": "size: 1\n"})
    with pytest.raises(SweepSyntaxError, match="the defaults do not name") as caught:
        compose(configs, parse_overrides("data=small"))
    assert "+data=small" in caught.value.hint
    assert config_of(configs, "+data=small")["data"] == {"size": 1}
    with pytest.raises(UnknownNameError) as misspelt:
        compose(configs, parse_overrides("+data=smal"))
    assert misspelt.value.hint == "did you mean 'small'?"


def test_interpolations_are_resolved_in_each_run(configs: Path) -> None:
    grid = compose(configs, parse_overrides("seed=1,2"))
    assert [c.config["twice"] for c in grid.configurations] == [1, 2]


@pytest.mark.parametrize(
    ("text", "problem", "hint", "under"),
    [
        pytest.param("optimizer.lrr=1", "unknown key 'optimizer.lrr'", "'optimizer.lr'",
                     "optimizer.lrr", id="key"),
        pytest.param("seed=1 modle=mlp", "unknown key 'modle'", "'model'", "modle", id="group"),
        pytest.param("model=logreg,mpl", "unknown choice of model 'mpl'", "'mlp'", "mpl",
                     id="choice"),
        pytest.param("+seed=1", "seed is in the configuration already", "write seed=1", "+seed",
                     id="append"),
        pytest.param("~sed", "unknown key 'sed'", "'seed'", "sed", id="delete"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_pointed_at_with_the_mend(
    configs: Path, text: str, problem: str, hint: str, under: str
) -> None:
    with pytest.raises(
        (UnknownNameError, ConfigError), match=problem.replace(".", r"\.")
    ) as caught:
        compose(configs, parse_overrides(text))
    assert hint in caught.value.hint
    _, shown, caret, _ = str(caught.value).splitlines()
    assert shown[caret.index("^") :].startswith(under)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("optimizer.lr=[1", "close what is open", id="bracket"),
        pytest.param("optimizer.lr=choice(1,", "close what is open", id="function"),
        pytest.param("optimizer.lr=1,,2", "quote the value", id="comma"),
        pytest.param("seed=interval(0,1)", "list the values", id="interval"),
        pytest.param("hydra.run.dir=x", "leave it out", id="hydra"),
    ],
)
def test_what_is_not_the_grammar_is_pointed_at(configs: Path, text: str, hint: str) -> None:
    with pytest.raises(SweepSyntaxError) as caught:
        compose(configs, parse_overrides(text))
    assert hint in caught.value.hint
    assert "^" in str(caught.value)


def test_an_override_without_a_value_from_a_terminal_is_pointed_at(configs: Path) -> None:
    with pytest.raises(SweepSyntaxError, match="has no value"):
        compose(configs, [Override("seed", "seed")])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("seed=???", "was not set", id="missing"),
        pytest.param("seed=${nowhere}", "cannot be resolved", id="interpolation"),
    ],
)
def test_what_would_fail_in_the_job_fails_now(configs: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        compose(configs, parse_overrides(text))
    assert "seed" in caught.value.problem


def test_one_bad_cell_of_the_grid_composes_nothing(configs: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be resolved"):
        compose(configs, parse_overrides("seed=1,2,${nowhere}"))


def test_mlxp_settings_come_from_the_file_and_from_overrides(configs: Path) -> None:
    write(configs, {"mlxp.yaml": "use_logger: false\nlogger: {parent_log_dir: ./out}\n"})
    for prefix in ("", "+", "++"):
        grid = compose(configs, parse_overrides(f"{prefix}mlxp.logger.forced_log_id=7 seed=1"))
        (only,) = grid.configurations
        assert only.settings["use_logger"] is False
        assert only.settings["logger"]["parent_log_dir"] == "./out"
        assert only.settings["logger"]["forced_log_id"] == 7
        assert "mlxp" not in only.config
        assert only.overrides == ("seed=1",)


def test_without_a_config_file_the_configuration_starts_empty(tmp_path: Path) -> None:
    assert config_of(tmp_path / "none", "+a=1") == {"a": 1}
    assert not (tmp_path / "none").exists()


def test_the_users_own_hydra_comes_back_after(configs: Path) -> None:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with initialize_config_dir(config_dir=str(configs), version_base=None):
        compose(configs, parse_overrides("seed=1,2"))
        assert hydra_compose("config").seed == 0


def test_settings_files_are_checked(configs: Path) -> None:
    write(configs, {"mlxp.yaml": "use_loger: 1\n", "mlxp_nb.yaml": "a: [1\n"})
    with pytest.raises(InvalidConfigFileError, match="use_loger"):
        read_mlxp_settings(configs)
    with pytest.raises(InvalidConfigFileError, match="is not YAML"):
        read_project_settings(configs)
    write(configs, {"mlxp_nb.yaml": "- 1\n"})
    with pytest.raises(InvalidConfigFileError, match="holds no fields"):
        read_project_settings(configs)

"""A run that misses a file of the project."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.worker.mend import line_to_add


@pytest.fixture
def info(tmp_path: Path) -> dict[str, Any]:
    for name in ("live/data/raw", "live/mixed", "snapshot/mixed", "live/out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "live/data/raw/x.csv").write_text("1")
    (tmp_path / "live/mixed/big.bin").write_text("1")
    return {
        "work_dir": str(tmp_path / "snapshot"),
        "project_dir": str(tmp_path / "live"),
        "snapshot": {"mode": "snapshot", "link": []},
    }


def missing(path: str, number: int = errno.ENOENT) -> OSError:
    return OSError(number, "said the system", path)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param("data/raw/x.csv", "link: [data]", id="topmost-missing-folder"),
        pytest.param("mixed/big.bin", "link: [mixed/big.bin]", id="file-in-a-frozen-folder"),
        pytest.param("./data/../data/raw", "link: [data]", id="dots"),
        pytest.param("nowhere.csv", "", id="not-in-the-project-either"),
        pytest.param("/etc/nowhere", "", id="outside"),
    ],
)
def test_the_line_names_what_only_the_project_has(
    info: dict[str, Any], path: str, line: str
) -> None:
    said = line_to_add(missing(path), info)
    assert said == (f"add to configs/mlxp_nb.yaml:  {line}" if line else "")


def test_links_that_are_there_already_stay_in_the_line(info: dict[str, Any]) -> None:
    info["snapshot"]["link"] = ["weights"]
    assert line_to_add(missing("data"), info).endswith("link: [weights, data]")


def test_an_absolute_path_in_the_snapshot_counts(info: dict[str, Any]) -> None:
    assert line_to_add(missing(f"{info['work_dir']}/data"), info).endswith("link: [data]")


def test_the_cause_behind_a_librarys_error_counts(info: dict[str, Any]) -> None:
    error = RuntimeError("could not load")
    error.__cause__ = missing("data/raw/x.csv")
    assert line_to_add(error, info).endswith("link: [data]")


def test_writing_into_the_snapshot_is_told_where_to_write(info: dict[str, Any]) -> None:
    assert "read-only" in line_to_add(missing("results.txt", errno.EACCES), info)
    assert line_to_add(missing("out", errno.EROFS), info).endswith("link: [out]")


def test_the_line_names_the_settings_of_the_target(info: dict[str, Any]) -> None:
    info["snapshot"]["settings"] = "conf/mlxp_nb.yaml"
    assert line_to_add(missing("data"), info) == "add to conf/mlxp_nb.yaml:  link: [data]"


def test_in_place_nothing_is_suggested(info: dict[str, Any]) -> None:
    info["snapshot"]["mode"] = "in_place"
    assert line_to_add(missing("data"), info) == ""

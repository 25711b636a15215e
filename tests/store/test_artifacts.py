"""Artifacts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import (
    ArtifactError,
    InvalidArtifactError,
    InvalidKeyError,
    MissingArtifactError,
)
from mlxp_nb.store import artifacts


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "1")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param("pickle", {"a": [1, 2]}, id="pickle"),
        pytest.param("json", {"a": [1, None]}, id="json"),
        pytest.param("text", "a\nb", id="text"),
    ],
)
def test_what_was_saved_is_loaded(run: RunPaths, kind: str, value: Any) -> None:
    entry = artifacts.save(run, value, "thing", kind)
    assert entry.path == run.artifacts / kind / "thing"
    assert artifacts.load(artifacts.find(run, "thing", None)) == value


def test_arrays_are_loaded_by_name(run: RunPaths) -> None:
    entry = artifacts.save(run, {"w": np.eye(2), "b": np.zeros(3)}, "model", "numpy")
    loaded = artifacts.load(entry)
    assert sorted(loaded) == ["b", "w"]
    assert np.array_equal(loaded["w"], np.eye(2))


def test_a_figure_and_an_array_are_images(run: RunPaths) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot([0, 1])
    for name, value in (("figure", figure), ("array", np.zeros((4, 5, 3)))):
        pixels = artifacts.load(artifacts.save(run, value, name, "image"))
        assert pixels.ndim == 3
    assert pixels.shape[:2] == (4, 5)


def test_the_manifest_tells_size_and_hash(run: RunPaths) -> None:
    entry = artifacts.save(run, "hello", "note", "text")
    (line,) = run.manifest.read_text().splitlines()
    noted = json.loads(line)
    assert noted["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert (noted["name"], noted["type"], noted["bytes"]) == ("note", "text", 5)
    assert entry.path.read_bytes() == b"hello"


def test_a_failed_save_raises_and_leaves_the_older_one(run: RunPaths) -> None:
    artifacts.save(run, {"a": 1}, "thing", "json")
    with pytest.raises(ArtifactError, match="'thing' was not saved as json"):
        artifacts.save(run, {"a": object()}, "thing", "json")
    assert artifacts.load(artifacts.find(run, "thing", "json")) == {"a": 1}
    assert [p.name for p in (run.artifacts / "json").iterdir()] == ["thing"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ".x", "", "a//b", "a\\b", "a\0b"])
def test_a_name_never_leaves_the_run(run: RunPaths, name: str) -> None:
    with pytest.raises(InvalidKeyError):
        artifacts.save(run, 1, name, "json")
    assert not list(run.root.parent.glob("x"))


def test_a_name_may_have_folders(run: RunPaths) -> None:
    artifacts.save(run, 1, "best/model", "json")
    assert [(e.type, e.name) for e in artifacts.listing(run.root)] == [("json", "best/model")]


def test_an_unknown_type_names_the_nearest(run: RunPaths) -> None:
    with pytest.raises(InvalidArtifactError, match="'nunpy'") as caught:
        artifacts.save(run, 1, "x", "nunpy")
    assert caught.value.hint == "did you mean 'numpy'?"


def test_a_missing_one_names_the_nearest(run: RunPaths) -> None:
    artifacts.save(run, 1, "model", "json")
    with pytest.raises(MissingArtifactError, match="no artifact 'modle'") as caught:
        artifacts.find(run, "modle", None)
    assert caught.value.hint == "did you mean 'model'?"
    assert isinstance(caught.value, FileNotFoundError)


def test_two_of_a_name_need_the_type(run: RunPaths) -> None:
    artifacts.save(run, 1, "x", "json")
    artifacts.save(run, 2, "x", "pickle")
    with pytest.raises(MissingArtifactError, match="several"):
        artifacts.find(run, "x", None)
    assert artifacts.load(artifacts.find(run, "x", "pickle")) == 2


def test_links_are_not_artifacts(run: RunPaths, tmp_path: Path) -> None:
    artifacts.save(run, 1, "x", "json")
    (tmp_path / "secret").write_text("2")
    (run.artifacts / "json" / "y").symlink_to(tmp_path / "secret")
    assert [entry.name for entry in artifacts.listing(run.root)] == ["x"]


def test_a_registered_type_saves_and_loads_by_path(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "ARTIFACTS", dict(artifacts.ARTIFACTS))

    def save(value: Any, path: str) -> None:
        Path(path).write_text(f"<{value}>")

    artifacts.register("angle", save, lambda path: Path(path).read_text()[1:-1])
    assert artifacts.load(artifacts.save(run, "hi", "x", "angle")) == "hi"


def test_another_users_pickle_is_not_loaded_without_a_word(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = artifacts.save(run, {"a": 1}, "x", "pickle")
    safe = artifacts.save(run, {"a": 1}, "y", "json")
    monkeypatch.setattr("os.getuid", lambda: entry.path.stat().st_uid + 1)
    with pytest.raises(ArtifactError, match="another user's") as caught:
        artifacts.load(entry)
    assert "trust=True" in caught.value.hint
    assert artifacts.load(entry, trust=True) == artifacts.load(safe) == {"a": 1}

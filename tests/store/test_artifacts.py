"""Artifacts."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import (
    ArtifactError,
    InvalidArtifactError,
    InvalidKeyError,
    MissingArtifactError,
    StoreError,
)
from mlxp_nb.store import artifacts
from mlxp_nb.store.artifacts import exchange, manifest


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


@pytest.mark.parametrize("name", ["x" * 201, "/".join(["x" * 100] * 3)])
def test_a_name_has_at_most_200_characters(run: RunPaths, name: str) -> None:
    with pytest.raises(InvalidKeyError, match=r"200|characters"):
        artifacts.save(run, 1, name, "json")
    artifacts.save(run, 1, name[:200].rstrip("/"), "json")


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("artifacts", id="folder-of-artifacts"),
        pytest.param("artifacts/json", id="folder-of-a-type"),
        pytest.param("artifacts/json/deep", id="folder-of-a-name"),
        pytest.param("artifacts/manifest.jsonl", id="manifest"),
    ],
)
def test_nothing_is_written_through_a_link_out_of_the_run(
    run: RunPaths, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place = run.root / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "manifest" if link.endswith(".jsonl") else outside)
    with pytest.raises(StoreError, match="not saved") as caught:
        artifacts.save(run, 1, "deep/x", "json")
    assert caught.value.hint
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("link", ["artifacts", "artifacts/json", "artifacts/json/deep"])
def test_nothing_is_read_through_a_link_out_of_the_run(
    run: RunPaths, tmp_path: Path, link: str
) -> None:
    entry = artifacts.save(run, 1, "deep/x", "json")
    (run.root / link).rename(tmp_path / "outside")
    (run.root / link).symlink_to(tmp_path / "outside")
    assert artifacts.listing(run.root) == []
    with pytest.raises(ArtifactError, match="link"):
        artifacts.load(entry)


def test_a_pipe_in_its_place_is_refused_and_not_waited_for(run: RunPaths) -> None:
    entry = artifacts.save(run, 1, "x", "json")
    entry.path.unlink()
    os.mkfifo(entry.path)
    with pytest.raises(ArtifactError, match="not a regular file"):
        artifacts.load(entry)


def test_a_removed_artifact_is_said_to_be_removed(run: RunPaths) -> None:
    entry = artifacts.save(run, 1, "x", "json")
    artifacts.remove(run, entry)
    assert artifacts.listing(run.root) == []
    assert json.loads(run.manifest.read_text().splitlines()[-1])["removed"] is True
    with pytest.raises(MissingArtifactError):
        artifacts.load(entry)


def test_a_folder_cannot_be_saved_into_itself(run: RunPaths, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds this run"):
        artifacts.save(run, tmp_path, "all", "directory")


def test_a_folder_is_replaced_whole_where_folders_cannot_be_exchanged(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another system, or a file system without renameat2(RENAME_EXCHANGE).
    monkeypatch.setattr(exchange, "_exchange", lambda *_: False)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
        entry = artifacts.save(run, tmp_path / name, "folder", "directory")
    assert [path.name for path in entry.path.iterdir()] == ["new"]


def test_a_cut_off_save_is_told_by_its_line_and_the_older_file_loads(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = artifacts.save(run, "older", "x", "pickle")
    # The line is written, the rename is refused.
    monkeypatch.setattr(exchange, "put", _refuse)
    with pytest.raises(StoreError):
        artifacts.save(run, "newer", "x", "pickle")
    older, newer = manifest.read(run.root)
    assert artifacts.content_of(entry) == older.content != newer.content
    assert artifacts.is_signed(entry)
    assert artifacts.load(entry) == "older"


def _refuse(*_: object) -> bool:
    raise OSError(errno.EIO, "Input/output error")


def test_a_torn_line_of_the_manifest_costs_itself_only(run: RunPaths) -> None:
    artifacts.save(run, 1, "x", "json")
    with run.manifest.open("ab") as file:
        file.write(b'{"name": "torn", "ty')
    entry = artifacts.save(run, 2, "y", "pickle")
    assert [line.name for line in manifest.read(run.root)] == ["x", "y"]
    assert artifacts.is_signed(entry)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"[1]", id="list"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b'{"name": 1, "type": "json", "bytes": 1, "sha256": "0"}', id="no-name"),
        pytest.param(b'{"name": "x", "type": "json", "bytes": "1", "sha256": "0"}', id="no-size"),
        pytest.param(b'{"name": "x", "type": "json", "bytes": true, "sha256": "0"}', id="bool"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"\xff\xfe", id="not-utf-8"),
    ],
)
def test_a_damaged_line_of_the_manifest_is_passed_over(run: RunPaths, line: bytes) -> None:
    artifacts.save(run, 1, "x", "json")
    with run.manifest.open("ab") as file:
        file.write(line + b"\n")
    assert [line.name for line in manifest.read(run.root)] == ["x"]


def test_each_rank_writes_a_manifest_of_its_own(run: RunPaths) -> None:
    artifacts.save(run, 1, "x", "pickle")
    entry = artifacts.save(run, 2, "y", "pickle", rank=1)
    assert [path.name for path in run.artifacts.glob("*.jsonl")] != ["manifest.jsonl"]
    assert {line.name for line in manifest.read(run.root)} == {"x", "y"}
    assert artifacts.is_signed(entry)


def test_links_are_not_artifacts(run: RunPaths, tmp_path: Path) -> None:
    artifacts.save(run, 1, "x", "json")
    (tmp_path / "secret").write_text("2")
    (run.artifacts / "json" / "y").symlink_to(tmp_path / "secret")
    assert [entry.name for entry in artifacts.listing(run.root)] == ["x"]

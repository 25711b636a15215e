"""Who wrote a pickle decides whether it is loaded."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlxp_nb import cli
from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError, UntrustedArtifactError
from mlxp_nb.results.row import LazyArtifact
from mlxp_nb.store import artifacts
from mlxp_nb.store.artifacts import manifest, trust
from mlxp_nb.testing import another_user
from mlxp_nb.worker.context import Logger

FIRED: list[str] = []


def fire(how: str) -> str:
    FIRED.append(how)
    return how


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return fire, ("loaded",)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    FIRED.clear()
    made = RunPaths(tmp_path / "logs" / "1")
    made.metadata.mkdir(parents=True)
    return made


@pytest.fixture
def bomb(run: RunPaths) -> artifacts.Entry:
    """What MLXP or a stranger left: a pickle, and no signature."""
    path = run.artifacts / "pickle" / "model"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(Bomb()))
    return artifacts.find(run, "model", None)


def lines_of(run: RunPaths) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.manifest.read_text().splitlines()]


def rewrite(run: RunPaths, lines: list[dict[str, Any]]) -> None:
    run.manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))


def forget_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a later process of the same user."""
    monkeypatch.setattr(trust, "_WRITTEN_HERE", set())


def test_an_unsigned_pickle_is_refused_with_both_mends(
    run: RunPaths, bomb: artifacts.Entry
) -> None:
    with pytest.raises(UntrustedArtifactError, match="have not signed") as caught:
        artifacts.load(bomb)
    assert FIRED == []
    assert "load(trust=True)" in caught.value.hint
    assert f"mlxp-nb trust {run.root}" in caught.value.hint
    assert isinstance(caught.value, PermissionError)
    assert artifacts.load(bomb, trust=True) == "loaded"


def test_a_row_loads_by_the_same_rule(bomb: artifacts.Entry) -> None:
    lazy = LazyArtifact(bomb.type, bomb.name, bomb.path)
    with pytest.raises(UntrustedArtifactError):
        lazy.load()
    assert lazy.load(trust=True) == "loaded"


def test_a_logger_loads_by_the_same_rule(run: RunPaths, bomb: artifacts.Entry) -> None:
    logger = Logger(run)
    for load in (logger.load_artifacts, logger.load_checkpoint):
        with pytest.raises(UntrustedArtifactError):
            load("model")
        assert load("model", trust=True) == "loaded"
    folder = str(bomb.path.parent)
    with pytest.raises(UntrustedArtifactError):
        logger.load_checkpoint("model", root=folder)
    assert logger.load_checkpoint("model", root=folder, trust=True) == "loaded"


def test_what_this_user_signed_is_loaded_by_a_later_process(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    Logger(run).log_checkpoint({"epoch": 3})
    forget_this_process(monkeypatch)
    assert Logger(run).load_checkpoint() == {"epoch": 3}
    folder = str(run.artifacts / "pickle")
    assert Logger(RunPaths(run.root.parent / "2")).load_checkpoint("checkpoint", folder) == {
        "epoch": 3
    }


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"hmac": ""}, id="no-signature"),
        pytest.param({"hmac": "0" * 64}, id="false-signature"),
        pytest.param({"hmac": "é"}, id="signature-that-is-none"),
        pytest.param({"bytes": 1}, id="size"),
        pytest.param({"sha256": "0" * 64}, id="hash"),
        pytest.param({"name": "other"}, id="name"),
        pytest.param({"type": "joblib"}, id="type"),
        pytest.param({"removed": True}, id="removed"),
    ],
)
def test_a_changed_line_signs_nothing(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    entry = artifacts.save(run, {"a": 1}, "x", "pickle")
    forget_this_process(monkeypatch)
    (line,) = lines_of(run)
    rewrite(run, [{**line, **change}])
    with pytest.raises(UntrustedArtifactError):
        artifacts.load(entry)
    rewrite(run, [line])
    assert artifacts.load(entry) == {"a": 1}


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("name", id="name"),
        pytest.param("type", id="type"),
        pytest.param("bytes", id="size"),
        pytest.param("sha256", id="hash"),
    ],
)
def test_a_signature_is_for_name_type_size_and_hash(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    artifacts.save(run, {"a": 1}, "x", "pickle")
    forget_this_process(monkeypatch)
    (line,) = lines_of(run)
    rewrite(run, [{**line, field: 1 if field == "bytes" else "other"}])
    (changed,) = manifest.read(run.root)
    assert not trust.is_mine(changed)


def test_changed_content_is_not_signed(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = artifacts.save(run, {"a": 1}, "x", "pickle")
    entry.path.unlink()
    entry.path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UntrustedArtifactError):
        artifacts.load(entry)
    assert FIRED == []


def test_a_signed_file_of_another_name_is_not_signed(run: RunPaths) -> None:
    entry = artifacts.save(run, {"a": 1}, "x", "pickle")
    entry.path.rename(entry.path.with_name("y"))
    with pytest.raises(UntrustedArtifactError):
        artifacts.load(artifacts.find(run, "y", None))


def test_mlxps_custom_loaders_are_never_read(run: RunPaths) -> None:
    import marshal

    code = marshal.dumps(compile("raise SystemExit('fired')", "x", "exec"))
    keys = run.artifacts / ".keys"
    keys.mkdir(parents=True)
    (keys / "custom_types.yaml").write_text(yaml.dump({"cool": {"load": code, "save": code}}))
    (run.artifacts / "cool").mkdir()
    (run.artifacts / "cool" / "plot").write_text("x")
    entry = artifacts.find(run, "plot", None)
    for trusted in (False, True):
        with pytest.raises(ArtifactError, match="unknown artifact type 'cool'"):
            artifacts.load(entry, trust=trusted)


def test_what_others_could_change_is_loaded_from_a_private_copy(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = artifacts.save(run, {"a": 1}, "x", "pickle")
    entry.path.chmod(0o666)
    seen: list[bytes] = []
    is_mine = trust.is_mine

    def swap(line: Any) -> bool:
        # Between the check and the load, its writer puts something else there, in place.
        entry.path.write_bytes(pickle.dumps(Bomb()))
        seen.append(b"swapped")
        return is_mine(line)

    monkeypatch.setattr(trust, "is_mine", swap)
    assert artifacts.load(entry) == {"a": 1}
    assert seen
    assert FIRED == []


def test_the_key_is_this_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(trust.CONFIG_DIR, str(tmp_path / "config"))
    artifacts.save(RunPaths(tmp_path / "1"), 1, "x", "pickle")
    key = tmp_path / "config" / "trust" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert len(key.read_text().strip()) == 64
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["trust"]


def test_the_key_lies_in_the_users_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.delenv(trust.CONFIG_DIR)
    assert trust.config_dir() == Path(platformdirs.user_config_dir("mlxp_nb"))


def test_many_processes_at_once_make_one_key(tmp_path: Path) -> None:
    code = "from mlxp_nb.store.artifacts import trust; input(); print(trust._key().decode())"
    environment = {**os.environ, trust.CONFIG_DIR: str(tmp_path / "config")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert len({process.communicate()[0] for process in started}) == 1
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["trust"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_could_know_signs_nothing(
    run: RunPaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mode: int,
) -> None:
    monkeypatch.setenv(trust.CONFIG_DIR, str(tmp_path / f"config{mode}"))
    entry = artifacts.save(run, 1, "x", "pickle")
    (tmp_path / f"config{mode}" / "trust" / "key").chmod(mode)
    entry = artifacts.save(run, 2, "x", "pickle")
    assert "hmac" not in lines_of(run)[-1]
    assert "without your signature" in caplog.text
    assert artifacts.load(entry) == 2  # this process wrote it
    forget_this_process(monkeypatch)
    with pytest.raises(UntrustedArtifactError):
        artifacts.load(entry)


def trust_command(monkeypatch: pytest.MonkeyPatch, *words: str, answer: str | None = None) -> int:
    """Run ``mlxp-nb trust``; its exit code. ``answer`` is typed at a terminal."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return answer is not None

    monkeypatch.setattr(sys, "argv", ["mlxp-nb", "trust", *words])
    monkeypatch.setattr(sys, "stdin", Terminal(answer or "y\n"))
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("words", "answer", "code"),
    [
        pytest.param((), None, 1, id="nobody-there"),
        pytest.param((), "n\n", 1, id="no"),
        pytest.param((), "\n", 1, id="empty"),
        pytest.param((), "y\n", 0, id="yes"),
        pytest.param(("--yes",), None, 0, id="said-before"),
    ],
)
def test_trust_shows_what_it_would_sign_and_signs_after_a_yes(
    run: RunPaths,
    bomb: artifacts.Entry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    answer: str | None,
    code: int,
) -> None:
    artifacts.save(run, 1, "safe", "json")
    assert trust_command(monkeypatch, *words, str(run.root.parent), answer=answer) == code
    shown = capsys.readouterr().out
    assert str(bomb.path) in shown
    assert artifacts.content_of(bomb).sha256[:16] in shown
    assert "safe" not in shown
    assert FIRED == []
    forget_this_process(monkeypatch)
    if code:
        with pytest.raises(UntrustedArtifactError):
            artifacts.load(bomb)
    else:
        assert artifacts.load(bomb) == "loaded"
        assert trust_command(monkeypatch, str(run.root)) == 0
        assert "nothing to sign" in capsys.readouterr().out


def test_trust_takes_unknown_types_to_execute_and_whole_torch_files_too(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("cool", "torch", "image"):
        (run.artifacts / kind).mkdir(parents=True)
        (run.artifacts / kind / "x").write_text("x")
    assert trust_command(monkeypatch, "--yes", str(run.root)) == 0
    assert {line["type"] for line in lines_of(run)} == {"cool", "torch"}


def test_a_signature_of_one_user_is_none_of_another(
    run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = artifacts.save(run, 1, "x", "pickle")
    before = os.environ[trust.CONFIG_DIR]
    another_user(monkeypatch, tmp_path / "another")
    with pytest.raises(UntrustedArtifactError):
        artifacts.load(entry)
    artifacts.sign(artifacts.unsigned(run.root)[0])
    another_user(monkeypatch, tmp_path / "another")
    assert artifacts.load(entry) == 1
    another_user(monkeypatch, Path(before))
    assert artifacts.load(entry) == 1

"""What a run prints, in its files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import StoreError
from mlxp_nb.worker import output
from mlxp_nb.worker.output import capture


def test_what_c_code_and_children_print_is_captured_and_given_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with capture(RunPaths(tmp_path)):
        os.write(1, b"from c\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'child')"], check=True)
    os.write(1, b"after\n")
    assert (tmp_path / "log.stdout").read_text() == "from c\n"
    assert (tmp_path / "log.stderr").read_text() == "child"
    assert capfd.readouterr().out == "after\n"


def test_an_attempt_writes_after_the_one_before(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        with capture(RunPaths(tmp_path)):
            os.write(1, text)
    assert (tmp_path / "log.stdout").read_text() == "one\ntwo\n"


def test_each_rank_has_its_own_files(tmp_path: Path) -> None:
    with capture(RunPaths(tmp_path), rank=2):
        os.write(1, b"two\n")
    assert (tmp_path / "log.r2.stdout").read_text() == "two\n"
    assert (tmp_path / "log.r2.stderr").read_text() == ""
    assert not (tmp_path / "log.stdout").exists()


def test_descriptors_and_threads_are_given_back_whatever_happens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    threads = threading.active_count()
    with pytest.raises(ValueError, match="bad"), capture(RunPaths(tmp_path), max_mb=1.0):
        raise ValueError("bad")
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert threading.active_count() == threads


def test_files_that_cannot_be_opened_redirect_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    (tmp_path / "log.stderr").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="nothing was redirected"), capture(RunPaths(tmp_path)):
        pass
    os.write(1, b"still here\n")
    assert capfd.readouterr().out == "still here\n"
    assert not (tmp_path / "elsewhere").exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_runaway_output_keeps_its_newest_part(tmp_path: Path) -> None:
    lines = [f"{number:09d}\n".encode() for number in range(100_000)]
    with capture(RunPaths(tmp_path), max_mb=0.2):
        os.write(1, b"".join(lines))
    older = (tmp_path / "log.stdout.1").read_bytes()
    assert older == b"".join(lines[-10_000:])
    assert (tmp_path / "log.stdout").read_text() == "[more than 100,000 bytes; see log.stdout.1]\n"


def test_output_is_looked_at_while_it_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "POLL_S", 0.001)
    older = tmp_path / "log.stdout.1"
    with capture(RunPaths(tmp_path), max_mb=0.2):
        while not older.exists():
            os.write(1, b"again and again\n" * 100)
        os.write(1, b"the end\n")
    text = (tmp_path / "log.stdout").read_text()
    assert text.startswith("[more than")
    assert len(text) + older.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("size", "is_rotated"),
    [pytest.param(10, False, id="at-the-limit"), pytest.param(11, True, id="above")],
)
def test_a_file_is_rotated_only_above_its_limit(
    tmp_path: Path, size: int, is_rotated: bool
) -> None:
    path = tmp_path / "log.stdout"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"x" * size)
    assert output.rotate(descriptor, path, 10) is is_rotated
    os.close(descriptor)
    assert (tmp_path / "log.stdout.1").exists() is is_rotated
    assert (path.read_bytes() == b"x" * size) is not is_rotated


def test_a_copy_that_cannot_be_made_does_not_let_the_file_grow(tmp_path: Path) -> None:
    path = tmp_path / "log.stdout"
    (tmp_path / "log.stdout.1").mkdir()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b"x" * 1000)
    assert output.rotate(descriptor, path, 10)
    os.close(descriptor)
    assert path.stat().st_size < 100

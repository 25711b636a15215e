"""Metric files."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import InvalidKeyError, MetricError, StoreError
from mlxp_nb.store import files
from mlxp_nb.store import records as reading
from mlxp_nb.store.metrics import MetricFile


class Tensor:
    """What torch and jax have in common with numpy."""

    def __init__(self, values: Any, shape: tuple[int, ...]) -> None:
        self.values, self.shape = values, shape

    def tolist(self) -> Any:
        return self.values


class EagerTensor:
    """What tensorflow has in common with numpy."""

    def __init__(self, values: Any) -> None:
        self.values, self.shape = values, np.shape(values)

    def numpy(self) -> Any:
        return np.asarray(self.values)


class Colour(str, Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A real disk that is full at an offset; Python ignores the signal that comes with it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def lines(run: Path, name: str = "train") -> list[dict[str, Any]]:
    path = run / "metrics" / f"{name}.json"
    return [json.loads(line) for line in path.read_text().splitlines()]


def log(run: Path, *records: dict[str, Any], name: str = "train") -> None:
    file = MetricFile(RunPaths(run), name)
    for record in records:
        file.append(record)
    file.close()


def rows(run: Path, name: str = "train") -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key != reading.TIME}
        for row in reading.read(run, name).rows
    ]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param(1, 1, id="int"),
        pytest.param(0.1, 0.1, id="float"),
        pytest.param(True, True, id="bool"),
        pytest.param(None, None, id="none"),
        pytest.param("a\nb", "a\nb", id="text"),
        pytest.param(np.float32(1.5), 1.5, id="numpy-float32"),
        pytest.param(np.float64(0.1), 0.1, id="numpy-float64"),
        pytest.param(np.int64(3), 3, id="numpy-int"),
        pytest.param(np.bool_(True), True, id="numpy-bool"),
        pytest.param(np.array(2.5), 2.5, id="0-d-array"),
        pytest.param(np.array([1, 2]), [1, 2], id="array"),
        pytest.param([np.float32(0.5), 1], [0.5, 1], id="list-of-scalars"),
        pytest.param((1, 2), [1, 2], id="tuple"),
        pytest.param(Tensor(4.0, ()), 4.0, id="0-d-tensor"),
        pytest.param(Tensor([1.0, 2.0], (2,)), [1.0, 2.0], id="tensor"),
        pytest.param(Decimal("0.25"), 0.25, id="decimal"),
        pytest.param(math.inf, math.inf, id="infinity"),
        pytest.param(-math.inf, -math.inf, id="minus-infinity"),
        pytest.param(Decimal("Infinity"), math.inf, id="decimal-infinity"),
        pytest.param(Fraction(1, 4), 0.25, id="fraction"),
        pytest.param(2**70, 2**70, id="big-int"),
        pytest.param(5e-324, 5e-324, id="smallest-float"),
        pytest.param(-0.0, -0.0, id="minus-zero"),
        pytest.param("\u2028\ud800é", "\u2028\ud800é", id="odd-text"),
        pytest.param(np.float16(0.1), float(np.float16(0.1)), id="numpy-float16"),
        pytest.param(np.longdouble(0.5), 0.5, id="numpy-longdouble"),
        pytest.param(np.str_("a"), "a", id="numpy-text"),
        pytest.param(np.uint64(2**64 - 1), 2**64 - 1, id="numpy-uint64"),
        pytest.param(np.zeros((2, 0)), [[], []], id="empty-array"),
        pytest.param(np.ones((2, 2), dtype=bool), [[True, True]] * 2, id="2-d-array"),
        pytest.param([], [], id="empty-list"),
        pytest.param([[1, None], ["a"]], [[1, None], ["a"]], id="list-of-lists"),
        pytest.param([Tensor(1.5, ()), np.int8(1)], [1.5, 1], id="list-of-tensors"),
        pytest.param(EagerTensor(0.5), 0.5, id="0-d-eager-tensor"),
        pytest.param(EagerTensor([1, 2]), [1, 2], id="eager-tensor"),
        pytest.param(Colour.RED, "red", id="text-enum"),
        pytest.param(Level.HIGH, 3, id="int-enum"),
    ],
)
def test_a_value_is_read_as_it_was_logged(tmp_path: Path, value: Any, stored: Any) -> None:
    log(tmp_path, {"x": value})
    (row,) = rows(tmp_path)
    assert row == {"x": stored}
    assert type(row["x"]) is type(stored)


def test_nan_is_read_as_nan(tmp_path: Path) -> None:
    log(tmp_path, {"x": math.nan})
    assert math.isnan(rows(tmp_path)[0]["x"])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="object"),
        pytest.param(1j, id="complex"),
        pytest.param(np.complex64(1), id="numpy-complex"),
        pytest.param({1, 2}, id="set"),
        pytest.param(np.zeros(10_001), id="large-array"),
        pytest.param([object()], id="inside-a-list"),
        pytest.param([0] * 10_001, id="long-list"),
        pytest.param([{"a": 1}], id="dict-inside-a-list"),
        pytest.param(np.datetime64("2024-01-01"), id="numpy-date"),
        pytest.param(np.array(["a", 1j], dtype=object), id="array-of-objects"),
        pytest.param(np.array([1j]), id="complex-array"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(Decimal("1e999"), id="decimal-that-is-no-float"),
        pytest.param(Decimal("sNaN"), id="signalling-nan"),
        pytest.param(Fraction(10**400, 3), id="fraction-that-is-no-float"),
    ],
)
def test_what_cannot_be_stored_raises_before_a_byte_is_written(tmp_path: Path, value: Any) -> None:
    log(tmp_path, {"x": 1})
    before = (tmp_path / "metrics" / "train.json").read_bytes()
    with pytest.raises(MetricError, match="'x'") as caught:
        log(tmp_path, {"good": 1, "x": value})
    assert caught.value.hint
    assert (tmp_path / "metrics" / "train.json").read_bytes() == before


def test_nested_fields_become_dotted_columns(tmp_path: Path) -> None:
    log(tmp_path, {"a": {"b": 1, "c": {"d": 2}}})
    assert rows(tmp_path) == [{"a.b": 1, "a.c.d": 2}]


@pytest.mark.parametrize("name", ["info", "config", "artifacts", "../x", "a/b", ".x", ""])
def test_a_name_that_cannot_be_a_metric_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidKeyError):
        MetricFile(RunPaths(tmp_path), name)


@pytest.mark.parametrize("key", [1, "", None])
def test_a_key_that_is_no_name_is_refused(tmp_path: Path, key: Any) -> None:
    with pytest.raises(InvalidKeyError, match="name of a metric"):
        log(tmp_path, {key: 1})


def test_a_record_is_seen_by_others_at_once(tmp_path: Path) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    file.append({"x": 1})
    assert rows(tmp_path) == [{"x": 1}]
    file.close()


def test_a_line_half_written_waits_for_its_end(tmp_path: Path) -> None:
    log(tmp_path, {"x": 1})
    path = tmp_path / "metrics" / "train.json"
    path.write_bytes(path.read_bytes() + b'{"x": 2')
    assert rows(tmp_path) == [{"x": 1}]
    assert reading.read(tmp_path, "train").damaged == 0


def test_a_torn_line_is_fenced_off_by_the_next_attempt(tmp_path: Path) -> None:
    log(tmp_path, {"x": 1})
    path = tmp_path / "metrics" / "train.json"
    path.write_bytes(path.read_bytes() + b'{"x": 2')
    log(tmp_path, {"x": 3})
    assert rows(tmp_path) == [{"x": 1}, {"x": 3}]
    assert reading.read(tmp_path, "train").damaged == 1


@pytest.mark.parametrize("bad", [b"garbage", b"[1]", b"\xff\xfe", b'{"a": ', b"[" * 100_000])
def test_a_damaged_line_hides_no_other(tmp_path: Path, bad: bytes) -> None:
    log(tmp_path, {"x": 1})
    path = tmp_path / "metrics" / "train.json"
    path.write_bytes(path.read_bytes() + bad + b"\n")
    log(tmp_path, {"x": 2})
    assert rows(tmp_path) == [{"x": 1}, {"x": 2}]
    assert reading.read(tmp_path, "train").damaged == 1


@pytest.mark.parametrize("room", [0, 5], ids=["nothing-fits", "a-part-fits"])
def test_a_write_the_disk_refuses_leaves_nothing_behind(tmp_path: Path, room: int) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    file.append({"x": 1})
    path = tmp_path / "metrics" / "train.json"
    whole = path.read_bytes()
    with (
        file_size_limit(len(whole) + room),
        pytest.raises(StoreError, match=r"nothing of the record was added to .*: File too large"),
    ):
        file.append({"x": 2})
    assert path.read_bytes() == whole
    file.append({"x": 3})
    file.close()
    assert rows(tmp_path) == [{"x": 1}, {"x": 3}]


def test_an_error_of_the_disk_can_be_caught_as_what_it_is(tmp_path: Path) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    with file_size_limit(0), pytest.raises(OSError, match="hint: raise the limit") as caught:
        file.append({"x": 1})
    assert caught.value.errno == errno.EFBIG
    file.close()


def test_what_another_writer_added_after_a_torn_line_is_not_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b'{"a')
    with path.open("ab") as other:
        other.write(b"other\n")
    files._take_back(descriptor, 3)
    os.close(descriptor)
    assert path.read_bytes() == b'{"aother\n\n'


def test_a_note_for_mlxp_that_the_disk_refuses_is_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "metrics" / ".keys"
    keys.parent.mkdir()
    keys.write_text("in the way")
    file = MetricFile(RunPaths(tmp_path), "train")
    file.append({"x": 1})
    assert "MLXP will not see" in caplog.text
    keys.unlink()
    file.append({"x": 2})
    file.close()
    assert rows(tmp_path) == [{"x": 1}, {"x": 2}]
    assert yaml.safe_load((keys / "train.yaml").read_text()) == {"x": ""}


def test_records_the_disk_does_not_confirm_are_told(tmp_path: Path) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    file.append({"x": 1})
    os.close(file._descriptor)
    with pytest.raises(StoreError, match=r"are in .* did not confirm"):
        file.close()
    assert rows(tmp_path) == [{"x": 1}]


def test_a_file_that_cannot_be_opened_says_that_nothing_was_stored(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "train.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="nothing was stored"):
        MetricFile(RunPaths(tmp_path), "train")
    assert not (tmp_path / "elsewhere").exists()


SYNCS = """\
import os, sys
from pathlib import Path
from mlxp_nb.core.run import RunPaths
from mlxp_nb.store.metrics import MetricFile
syncs = 0
inner = os.fdatasync
def fdatasync(descriptor):
    global syncs
    syncs += 1
    inner(descriptor)
os.fdatasync = fdatasync
file = MetricFile(RunPaths(Path(sys.argv[1])), "train", sync_s=float(sys.argv[2]))
for i in range(10):
    file.append({"x": i})
before = syncs
file.close()
print(before, syncs)
"""


@pytest.mark.parametrize(
    ("sync_s", "said"),
    [
        pytest.param(0.0, "10 10", id="after-each-record"),
        pytest.param(3600.0, "0 1", id="at-the-end"),
    ],
)
def test_the_disk_is_waited_for_as_the_settings_say(
    tmp_path: Path, sync_s: float, said: str
) -> None:
    command = [sys.executable, "-c", SYNCS, str(tmp_path), str(sync_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said


def test_a_column_that_comes_later_is_noted_too(tmp_path: Path) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    for record in ({"a": 1}, {"a": 1}, {"a": {"b": 2}}, {"a": 1, "c": "x"}):
        file.append(record)
    file.append({"a": 2}, step=5)
    file.append({"a": 3}, step=6)
    file.close()
    note = tmp_path / "metrics" / ".keys" / "train.yaml"
    assert list(yaml.safe_load(note.read_text())) == ["a", "a.b", "c", "step"]
    assert rows(tmp_path)[-2:] == [{"a": 2, "step": 5}, {"a": 3, "step": 6}]


@pytest.mark.parametrize(
    ("record", "step", "problem"),
    [
        pytest.param({"a.b": 1, "a": {"b": 2}}, None, "'a.b' is given twice", id="same-column"),
        pytest.param({"_time": 1}, None, "'_time' is ours", id="time"),
        pytest.param({"a": {"b": 1}, "_attempt": 1}, None, "'_attempt' is ours", id="attempt"),
        pytest.param({"step": 1}, 2, "differ", id="two-steps"),
    ],
)
def test_no_column_silently_replaces_another(
    tmp_path: Path, record: dict[str, Any], step: int | None, problem: str
) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    with pytest.raises(InvalidKeyError, match=problem):
        file.append(record, step=step)
    file.append({"step": 2}, step=2)
    file.close()
    assert rows(tmp_path) == [{"step": 2}]


@pytest.mark.parametrize("step", [1.5, "3", np.float32(1)])
def test_a_step_is_an_integer(tmp_path: Path, step: Any) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    with pytest.raises(MetricError, match="not an integer"):
        file.append({"x": 1}, step=step)
    file.append({"x": 1}, step=np.int64(4))  # type: ignore[arg-type]  # what loops give
    file.close()
    assert rows(tmp_path) == [{"x": 1, "step": 4}]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        pytest.param([1], "a record is list", id="no-dict"),
        pytest.param({"x": 10**5000}, "cannot be stored", id="too-many-digits"),
        pytest.param({"x": "a" * 17_000_000}, "17 MB", id="too-long-to-be-read"),
    ],
)
def test_a_record_that_could_not_be_read_again_is_refused(
    tmp_path: Path, record: Any, problem: str
) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    file.append({"x": 1})
    with pytest.raises(MetricError, match=problem):
        file.append(record)
    file.close()
    assert rows(tmp_path) == [{"x": 1}]


def test_a_list_that_contains_itself_is_refused(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(MetricError, match="contains itself"):
        log(tmp_path, {"x": endless})


def test_attempts_and_ranks_are_noted_where_they_are_not_the_first(tmp_path: Path) -> None:
    for attempt, rank in [(1, 0), (2, 0), (2, 1)]:
        file = MetricFile(RunPaths(tmp_path), "train", attempt=attempt, rank=rank)
        file.append({"x": 1})
        file.close()
    for row in (written := [*lines(tmp_path), *lines(tmp_path, "train.r1")]):
        assert row.pop("_time")
    assert written == [{"x": 1}, {"x": 1, "_attempt": 2}, {"x": 1, "_attempt": 2, "_rank": 1}]
    assert [path.name for path in (tmp_path / "metrics" / ".keys").iterdir()] == ["train.yaml"]


def test_columns_are_noted_for_mlxp_and_found_without_the_note(tmp_path: Path) -> None:
    log(tmp_path, {"x": 1}, {"x": 2, "y": 3})
    note = tmp_path / "metrics" / ".keys" / "train.yaml"
    assert yaml.safe_load(note.read_text()) == {"x": "", "y": ""}
    note.unlink()
    assert reading.keys(tmp_path, "train") == ["x", "y"]


def test_names_are_those_of_the_files(tmp_path: Path) -> None:
    log(tmp_path, {"x": 1}, name="train")
    log(tmp_path, {"x": 1}, name="a.b")
    assert reading.names(tmp_path) == ["a.b", "train"]
    assert reading.names(tmp_path / "none") == []


def test_the_last_record_is_the_newest_of_all_files(tmp_path: Path) -> None:
    assert reading.last(tmp_path) == {}
    log(tmp_path, {"x": 1}, name="train")
    log(tmp_path, {"epoch": 7}, name="test")
    assert reading.last(tmp_path)["epoch"] == 7


def test_a_closed_file_can_be_closed_again(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    file = MetricFile(RunPaths(tmp_path), "train")
    file.close()
    file.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before

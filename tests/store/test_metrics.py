"""Metric files."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import InvalidKeyError, MetricError
from mlxp_nb.store import records as reading
from mlxp_nb.store.metrics import MetricFile


class Tensor:
    """What torch and jax have in common with numpy."""

    def __init__(self, values: Any, shape: tuple[int, ...]) -> None:
        self.values, self.shape = values, shape

    def tolist(self) -> Any:
        return self.values


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


def test_a_write_the_disk_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    file = MetricFile(RunPaths(tmp_path), "train")
    file.append({"x": 1})
    whole = (tmp_path / "metrics" / "train.json").read_bytes()
    # A limit on the size of files is a real disk that is full in the middle of a line.
    import resource
    import signal

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 5, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.append({"x": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "metrics" / "train.json").read_bytes() == whole
    file.append({"x": 3})
    file.close()
    assert rows(tmp_path) == [{"x": 1}, {"x": 3}]


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

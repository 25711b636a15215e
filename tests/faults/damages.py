"""What can happen to the directory of a run: 44 damages, each a function of that directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], None]
INFO, CONFIG, TRAIN = "metadata/info.yaml", "metadata/config.yaml", "metrics/train.json"
KEYS, MANIFEST = "metrics/.keys/train.yaml", "artifacts/manifest.jsonl"
DAMAGES: dict[str, Damage] = {}


def _add(name: str, damage: Damage) -> None:
    DAMAGES[name] = damage


def _content(name: str, path: str, data: bytes) -> None:
    _add(name, lambda run: _write(run / path, data))


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _half(path: Path) -> None:
    data = path.read_bytes()
    _write(path, data[: len(data) // 2])


def _insert(path: Path, line: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    _write(path, b"".join([*lines[:middle], line, *lines[middle:]]))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path, target: str) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


def _neighbours(run: Path) -> None:
    for name in ("٣", "²", "0003", "-1"):
        (run.parent / name).mkdir()


_content("info-empty", INFO, b"")
_content("info-half-a-quote", INFO, b"status: 'COMPL")
_content("info-garbage", INFO, b"\x00\x01\x02{[")
_content("info-not-utf-8", INFO, b"status: \xff\xfe\n")
_content("info-a-list", INFO, b"- 1\n- 2\n")
_content("info-a-number", INFO, b"7\n")
_content("info-unknown-status", INFO, b"status: DANCING\n")
_content("info-status-a-list", INFO, b"status: [1]\nprocess: [2]\nlogger: 3\nsweep: x\n")
_content(
    "info-process-nonsense", INFO, b"status: RUNNING\nprocess_id: .inf\nprocess: {started: x}\n"
)
_content("info-tag", INFO, b"!!python/object/apply:os.getcwd []\n")
_content("info-deep", INFO, b"[" * 300_000)
_content("info-two-megabytes", INFO, b"status: COMPLETE\nx: " + b"y" * 2_000_000 + b"\n")
_add("info-missing", lambda run: (run / INFO).unlink())
_add("info-half", lambda run: _half(run / INFO))
_add("info-a-folder", lambda run: _folder(run / INFO))
_add("info-a-fifo", lambda run: _fifo(run / INFO))
_add("info-a-link", lambda run: _link(run / INFO, "/etc/hostname"))
_content("config-empty", CONFIG, b"")
_content("config-tag", CONFIG, b"a: !!python/name:os.system ''\n")
_content("config-integer-key", CONFIG, b"1: a\n2: {3: b}\n")
_content("config-date", CONFIG, b"d: 2024-01-01\ne: 2024-99-99\n2024-01-01: x\n")
_content("config-recursive", CONFIG, b"a: &a\n  b: *a\n")
_content("config-bomb", CONFIG, b"a: &a [1,1,1]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n")
_content("config-null-keys", CONFIG, b"~: 1\n.nan: 2\ntrue: 3\n")
_content("config-long-number", CONFIG, b"lr: 1" + b":1" * 100_000 + b"\n")
_add("config-missing", lambda run: (run / CONFIG).unlink())
_add("metadata-missing", lambda run: shutil.rmtree(run / "metadata"))
_add("metadata-a-link", lambda run: _link(run / "metadata", "/etc"))
_content("metric-empty", TRAIN, b"")
_content("metric-no-newline", TRAIN, b'{"loss": 1}')
_content("metric-binary", TRAIN, bytes(range(256)) * 10)
_content("metric-long-line", TRAIN, b'{"loss": "' + b"x" * (17 * 2**20) + b'"}\n{"loss": 1}\n')
_content(
    "metric-odd-values", TRAIN, b'{"loss": NaN}\n{"loss": 1' + b"0" * 400 + b'}\n{"loss": "x"}\n'
)
_add("metric-broken-line", lambda run: _insert(run / TRAIN, b'{"loss": \n'))
_add("metric-not-utf-8-line", lambda run: _insert(run / TRAIN, b'{"\xff": 1}\n'))
_add("metric-deep-line", lambda run: _insert(run / TRAIN, b"[" * 100_000 + b"\n"))
_add("metric-half", lambda run: _half(run / TRAIN))
_add("metric-a-fifo", lambda run: _fifo(run / TRAIN))
_add("metric-a-link", lambda run: _link(run / TRAIN, "/etc/passwd"))
_add("metrics-a-link", lambda run: _link(run / "metrics", "/etc"))
_add("keys-missing", lambda run: (run / KEYS).unlink())
_content("keys-garbage", KEYS, b"{: [")
_content("manifest-garbage", MANIFEST, b'\xff\n[]\n{"type": 1, "name": []}\n{')
_add("neighbours", _neighbours)

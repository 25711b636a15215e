"""The process that is attacked, the disk that fills, and the figures at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from tests.faults import counts

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Ended:
    """What a program said before it ended or was killed."""

    said: tuple[tuple[str, ...], ...]
    code: int
    at: dict[str, set[str]] = field(default_factory=dict)

    def of(self, word: str) -> list[tuple[str, ...]]:
        """The rest of the lines that begin with a word."""
        return [line[1:] for line in self.said if line[0] == word]


class Server:
    """Forks programs of :mod:`tests.faults.programs`; importing them once makes a trial cheap."""

    def __init__(self, shim: Path) -> None:
        environment = {**os.environ, "LD_PRELOAD": str(shim)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **order: Any) -> Any:
        """Send an order, wait for its answer."""
        orders, answers = self._pipes()
        orders.write(json.dumps(order) + "\n")
        orders.flush()
        line = answers.readline()
        assert line, f"the server of the fault suite ended: {self._process.poll()}"
        return json.loads(line)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def run(self, name: str, *, kill: tuple[int, int] | None = None, **arguments: Any) -> Ended:
        """Run one program; ``kill`` is after how many lines, and how many microseconds later."""
        order: dict[str, Any] = {"programs": [(name, arguments)]}
        if kill is not None:
            order.update(kill_after=kill[0], delay_us=kill[1])
        return self._ended(self.ask(**order)[0])

    def together(self, *programs: tuple[str, dict[str, Any]]) -> list[Ended]:
        """Run several programs at once."""
        return [self._ended(answer) for answer in self.ask(programs=programs)]

    def background(self, name: str, **arguments: Any) -> None:
        """Begin a program that goes on until :meth:`stop`; back when it has said something."""
        self.ask(programs=[(name, arguments)], background=True)

    def stop(self) -> None:
        """End what goes on in the background."""
        self.ask(stop=True)

    def close(self) -> None:
        """End the server."""
        orders, answers = self._pipes()
        orders.close()
        self._process.wait(60)
        answers.close()

    @staticmethod
    def _ended(answer: dict[str, Any]) -> Ended:
        ended = Ended(tuple(tuple(line) for line in answer["said"]), answer["code"])
        assert not ended.of("broke"), ended.of("broke")
        return ended


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes I/O calls fail, compiled."""
    made = tmp_path_factory.mktemp("shim") / "shim.so"
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.fail("there is no C compiler; on Debian: apt-get install gcc libc6-dev")
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(made)]
    subprocess.run([*command, str(HERE / "shim.c"), "-ldl"], check=True)
    return made


@pytest.fixture(scope="session")
def server(shim: Path) -> Iterator[Server]:
    server = Server(shim)
    yield server
    server.close()


@dataclass(frozen=True)
class Disk:
    """A disk that is soon full.

    Attributes
    ----------
    path : Path
        A folder on it.
    is_real : bool
        A tmpfs; else there is only a limit on the size of files.
    """

    path: Path
    is_real: bool


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A tmpfs of 512 kB where we may mount one, else a folder."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(path)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    yield Disk(path, mounted)
    if mounted:
        subprocess.run(["umount", str(path)], check=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, for docs/reliability.md."""
    for line in counts.SAID:
        terminalreporter.write_line(str(line))

"""The rules of this test suite hold: no silent skip in CI, no browser test without a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

SUITES = {
    "mark": "import pytest\n@pytest.mark.skip(reason='later')\ndef test(): pass\n",
    "call": "import pytest\ndef test(): pytest.skip('later')\n",
    "module": "import pytest\npytest.skip('later', allow_module_level=True)\n",
    "browser": "import pytest\n@pytest.mark.browser\ndef test(chromium): pass\n"
    "def test_other(): pass\n",
    "pass": "def test(): pass\n",
}


def run(folder: Path, suite: str, *, ci: bool, path: str) -> subprocess.CompletedProcess[str]:
    """Run a small suite with our conftest."""
    folder.joinpath("conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"))
    folder.joinpath("test_it.py").write_text(SUITES[suite])
    folder.joinpath("pytest.ini").write_text("[pytest]\nmarkers = browser\n")
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**environment, "PATH": path, **({"CI": "true"} if ci else {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("suite", "ci", "code", "says"),
    [
        pytest.param("mark", True, 1, "later", id="skip-mark-in-ci"),
        pytest.param("call", True, 1, "later", id="skip-call-in-ci"),
        pytest.param("module", True, 2, "later", id="skip-module-in-ci"),
        pytest.param("mark", False, 0, "1 skipped", id="skip-by-hand"),
        pytest.param("pass", True, 0, "1 passed", id="pass-in-ci"),
        pytest.param("browser", True, 1, "apt-get install chromium", id="no-browser-in-ci"),
        pytest.param("browser", False, 0, "1 browser tests left out", id="no-browser-by-hand"),
    ],
)
def test_without_a_browser(tmp_path: Path, suite: str, ci: bool, code: int, says: str) -> None:
    ended = run(tmp_path, suite, ci=ci, path=str(tmp_path))
    assert ended.returncode == code, ended.stdout
    assert says in ended.stdout


def test_a_browser_on_the_path_is_used(tmp_path: Path) -> None:
    browser = tmp_path / "google-chrome"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    ended = run(tmp_path, "browser", ci=False, path=str(tmp_path))
    assert ended.returncode == 0, ended.stdout
    assert "2 passed" in ended.stdout

"""A real JupyterLab for tests, and the hands and eyes to use it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request

CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
START_S = 90
CONTEXT = "window.jupyterapp.shell.currentWidget.context.sessionContext"
IDLE = """() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    return all('.jp-Notebook-ExecutionIndicator').some((i) => i.dataset.status === 'idle')
        && !all('.jp-InputPrompt').some((prompt) => prompt.textContent.includes('*'));
}"""
CELL_S = 120


# ---------------------------------------------------------------------------------- the server


@contextmanager
def start_lab(folder: Path, home: Path, *, port: int | None = None) -> Iterator[str]:
    """JupyterLab on ``folder``; gives its address, and ends it.

    Parameters
    ----------
    folder : Path
        Notebooks; the working directory of their kernels.
    home : Path
        An empty folder for its settings and run files.
    """
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}"
    log = (home / "lab.log").open("w", encoding="utf-8")
    server = subprocess.Popen(
        _command(folder, home, port), cwd=folder, env=_environment(home), stdout=log, stderr=log
    )
    try:
        _wait_for(f"{url}/api/status", server, home / "lab.log")
        _put_settings(url)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(folder: Path, home: Path, port: int) -> list[str]:
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "ServerApp.root_dir": folder,
        "ServerApp.disable_check_xsrf": True,
        "IdentityProvider.token": "",
        "PasswordIdentityProvider.hashed_password": "",
        "LabApp.news_url": "",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
        "LabApp.expose_app_in_browser": True,
        "LabApp.user_settings_dir": home / "settings",
        "LabApp.workspaces_dir": home / "workspaces",
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", *given]


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own Jupyter: no configuration, no kernels, no running servers."""
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    return {**os.environ, **{name: str(home / folder) for name, folder in own.items()}}


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")


def _put_settings(url: str) -> None:
    """No news, no questions, and every cell in the page, seen or not."""
    _put_setting(
        url,
        "apputils-extension:notification",
        {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    )
    _put_setting(
        url,
        "notebook-extension:tracker",
        {"windowingMode": "none", "autoStartDefaultKernel": True},
    )
    _put_setting(url, "docmanager-extension:plugin", {"autosave": False})


def set_theme(url: str, name: str) -> None:
    """Make pages opened from now on ``light`` or ``dark``."""
    _put_setting(url, "apputils-extension:themes", {"theme": THEMES[name]})


def _put_setting(url: str, plugin: str, values: dict[str, object]) -> None:
    body = json.dumps({"raw": json.dumps(values)}).encode()
    address = f"{url}/lab/api/settings/@jupyterlab/{plugin}"
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(address, data=body, headers=headers, method="PUT"), timeout=30
    ).close()


# ---------------------------------------------------------------------------------- the browser


def start_browser(playwright: Playwright, path: str) -> Browser:
    """Headless Chromium that talks to nobody by itself."""
    return playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGS))


@dataclass
class Watch:
    """What went wrong in a page: console errors, exceptions, requests to other machines."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        """Start to watch."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in (None, "127.0.0.1", "localhost"):
            self.outside.append(request.url)


# ---------------------------------------------------------------------------------- notebooks


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells."""
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]  # nbformat has no types
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],  # type: ignore[no-untyped-call]
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def open_notebook(page: Page, url: str, path: str) -> None:
    """Open a notebook by itself (no side bars) and wait for its kernel."""
    page.goto(f"{url}/doc/tree/{path}")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=START_S * 1000)
    page.evaluate(f"() => {CONTEXT}.ready")
    wait_idle(page)


def run_cell(page: Page, index: int) -> None:
    """Run one cell and wait for its end."""
    start_cell(page, index)
    wait_idle(page)


def start_cell(page: Page, index: int) -> None:
    """Run one cell; do not wait."""
    cell = page.locator(".jp-Notebook .jp-Cell").nth(index)
    cell.locator(".jp-InputPrompt").first.click()
    _command_of_lab(page, "notebook:run-cell", "void")


def start_all(page: Page) -> None:
    """Run all cells; do not wait."""
    _command_of_lab(page, "notebook:run-all-cells", "void")


def run_all(page: Page) -> None:
    """Run all cells and wait for their end."""
    _command_of_lab(page, "notebook:run-all-cells")
    wait_idle(page)


def restart_kernel(page: Page) -> None:
    """Give the notebook a fresh kernel, without a question."""
    page.evaluate(f"() => {CONTEXT}.session.kernel.restart()")
    wait_idle(page)


def save(page: Page) -> None:
    """Save the notebook."""
    _command_of_lab(page, "docmanager:save")


def _command_of_lab(page: Page, command: str, before: str = "await") -> None:
    page.evaluate(
        f"async (command) => {{ {before} window.jupyterapp.commands.execute(command) }}", command
    )


def wait_idle(page: Page, timeout_s: float = CELL_S) -> None:
    """Wait until the kernel is idle and no cell waits for it."""
    page.wait_for_function(IDLE, timeout=timeout_s * 1000)


def wait_until(page: Page, condition: Callable[[], bool], timeout_s: float = 30) -> None:
    """Wait until something outside the page is true."""
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("the condition did not come true")
        page.wait_for_timeout(50)

"""One JupyterLab and one browser for all tests of this folder, and a watched page for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.lab import Watch, start_browser, start_lab


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks of the tests are."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="session")
def lab(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab."""
    with start_lab(lab_folder, tmp_path_factory.mktemp("jupyter")) as url:
        yield url


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        running = start_browser(playwright, chromium)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; the test fails when it logs an error or asks another machine."""
    context = browser.new_context(viewport={"width": 1230, "height": 1200}, device_scale_factor=2)
    opened = context.new_page()
    watch = Watch()
    watch.on(opened)
    yield opened
    context.close()
    assert watch.errors == []
    assert watch.outside == []


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The path of a picture; set MLXP_NB_SCREENSHOTS to keep them."""
    kept = os.environ.get("MLXP_NB_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: str(folder / f"{name}.png")

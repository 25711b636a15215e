"""What a user sees of a sweep and of curves in a real JupyterLab."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.lab import (
    open_notebook,
    restart_kernel,
    run_all,
    run_cell,
    save,
    set_theme,
    start_all,
    start_cell,
    wait_until,
    write_notebook,
)
from tests.sweep_samples import put

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SETUP = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from mlxp_nb.plots import PLOTS
from mlxp_nb.ui.sweep_card import SweepCard
from tests.curve_samples import curves
from tests.sweep_samples import SteppedSweep, large
"""
CARD = "SweepCard(sweep.view, cancel=sweep.cancel, log=sweep.log)"
WIDE, NARROW = 1100, 800


class Sweep:
    """The hand of the test on the sweep of a notebook."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.step(0)

    def step(self, n: int, **more: str) -> None:
        """Let it go on to a step."""
        put(self.folder / "step.json", {"step": n, **more})

    @property
    def cancelled(self) -> list[int]:
        """The runs that were cancelled."""
        path = self.folder / "cancelled.json"
        found: list[int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        return found

    @property
    def looks(self) -> int:
        """How often the kernel was asked."""
        path = self.folder / "looks"
        return path.stat().st_size if path.exists() else 0


@pytest.fixture
def sweep(lab_folder: Path, tmp_path: Path) -> Sweep:
    folder = lab_folder / tmp_path.name
    folder.mkdir()
    return Sweep(folder)


@pytest.fixture
def notebook(lab: str, page: Page, sweep: Sweep) -> Page:
    """A notebook with a live card, its first cell run."""
    set_theme(lab, "light")
    cells = [f"{SETUP}\nsweep = SteppedSweep(Path())", f"card = {CARD}\ncard"]
    cells += ["time.sleep(8)", "card"]
    write_notebook(sweep.folder / "sweep.ipynb", cells)
    open_notebook(page, lab, f"{sweep.folder.name}/sweep.ipynb")
    run_cell(page, 0)
    run_cell(page, 1)
    return page


def card(page: Page) -> Locator:
    return page.locator(".xp-sweep")


def sized(page: Page, width: int) -> None:
    """Make the outputs of cells this wide."""
    inside = page.locator(".jp-OutputArea-output").first.bounding_box()
    seen = page.viewport_size
    assert inside is not None
    assert seen is not None
    page.set_viewport_size(
        {"width": seen["width"] + width - round(inside["width"]), "height": 1250}
    )
    page.wait_for_timeout(300)


# ---------------------------------------------------------------------------------- the card


def test_states_change_while_one_looks(notebook: Page, sweep: Sweep) -> None:
    shown = card(notebook)
    expect(shown).to_contain_text("0 of 6 complete")
    expect(shown.locator(".xp-st", has_text="RUNNING")).to_have_count(2)
    expect(shown.locator(".xp-st", has_text="PENDING")).to_have_count(4)
    sweep.step(3)
    expect(shown).to_contain_text("2 of 6 complete")
    expect(shown.locator(".xp-st", has_text="FAILED")).to_have_count(1)
    expect(shown.locator(".xp-tb")).to_have_text("ValueError: <b>lr</b> is too large train.py:12")
    expect(shown).to_contain_text("from 2 finished runs")
    expect(shown.locator(".xp-live")).to_have_text("updated now")
    sweep.step(6)
    expect(shown).to_contain_text("5 of 6 complete")
    expect(shown.locator(".xp-live")).to_have_text(re.compile(r"ended \d\d:\d\d"))
    expect(shown.get_by_role("button", name="Cancel sweep")).to_be_disabled()


def test_when_all_is_over_nobody_is_asked_any_more(notebook: Page, sweep: Sweep) -> None:
    sweep.step(6)
    expect(card(notebook)).to_contain_text("5 of 6 complete")
    asked = sweep.looks
    notebook.wait_for_timeout(2500)
    assert sweep.looks == asked


def test_out_of_sight_nobody_is_asked(notebook: Page, sweep: Sweep) -> None:
    notebook.evaluate("document.querySelector('.xp-sweep').style.display = 'none'")
    notebook.wait_for_timeout(1200)
    asked = sweep.looks
    sweep.step(3)
    notebook.wait_for_timeout(2500)
    assert sweep.looks == asked
    notebook.evaluate("document.querySelector('.xp-sweep').style.display = ''")
    expect(card(notebook)).to_contain_text("2 of 6 complete", timeout=2000)


def test_a_hidden_tab_asks_nobody(notebook: Page, sweep: Sweep) -> None:
    hide = """(state) => {
        Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    notebook.evaluate(hide, "hidden")
    notebook.wait_for_timeout(1200)
    asked = sweep.looks
    notebook.wait_for_timeout(2500)
    assert sweep.looks == asked
    notebook.evaluate(hide, "visible")
    wait_until(notebook, lambda: sweep.looks > asked)


def test_the_whole_sweep_is_cancelled_after_a_question(notebook: Page, sweep: Sweep) -> None:
    shown = card(notebook)
    sweep.step(2)
    expect(shown).to_contain_text("2 of 6 complete")
    button = shown.get_by_role("button", name="Cancel sweep")
    before = shown.bounding_box()
    button.click()
    confirm = shown.get_by_role("button", name="Cancel 4 runs")
    expect(confirm).to_be_focused()
    assert shown.bounding_box() == before
    notebook.keyboard.press("Escape")
    expect(confirm).to_be_hidden()
    expect(button).to_be_focused()
    assert sweep.cancelled == []
    notebook.keyboard.press("Enter")
    expect(confirm).to_be_focused()
    notebook.keyboard.press("Enter")
    wait_until(notebook, lambda: sweep.cancelled == [3, 4, 5, 6])
    expect(shown.locator(".xp-legend")).to_contain_text("4cancelled")
    expect(shown.locator(".xp-live")).to_contain_text("ended")


def test_one_run_is_cancelled_at_once(notebook: Page, sweep: Sweep) -> None:
    card(notebook).get_by_role("button", name="Cancel run 2").click()
    wait_until(notebook, lambda: sweep.cancelled == [2])
    expect(card(notebook).locator(".xp-legend")).to_contain_text("1cancelled")
    expect(card(notebook).get_by_role("button", name="Cancel run 2")).to_have_count(0)


def test_a_log_opens_in_place_and_stays_with_its_run(notebook: Page, sweep: Sweep) -> None:
    shown = card(notebook)
    shown.get_by_role("button", name="Log of run 1").click()
    log = shown.get_by_role("region", name="Last lines of the log of run 1")
    expect(log).to_contain_text("run 1: epoch 39")
    log.evaluate("(pane) => { pane.scrollTop = 60 }")
    sweep.step(6)
    expect(shown).to_contain_text("5 of 6 complete")
    expect(log).to_be_visible()
    assert log.evaluate("(pane) => pane.scrollTop") == 60
    shown.get_by_role("button", name="Log of run 1").click()
    expect(log).to_have_count(0)


def test_what_is_under_the_card_stays_while_runs_go(notebook: Page, sweep: Sweep) -> None:
    under = notebook.locator(".jp-Cell").nth(2)
    expect(card(notebook)).to_contain_text("Pending")
    notebook.mouse.move(600, 300)
    sweep.step(2)
    expect(card(notebook)).to_contain_text("2 of 6 complete")
    before = under.bounding_box()
    sweep.step(5)
    expect(card(notebook)).to_contain_text("4 of 6 complete")
    after = under.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] == before["y"]


def test_focus_and_hover_stay_while_the_card_is_drawn_again(notebook: Page, sweep: Sweep) -> None:
    button = card(notebook).get_by_role("button", name="Log of run 2")
    button.focus()
    marked = button.evaluate("(b) => { b.dataset.mine = 'yes' }")
    assert marked is None
    sweep.step(1)
    expect(card(notebook)).to_contain_text("1 of 6 complete")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("data-mine", "yes")


def test_a_failure_is_shown_and_old_rows_stay(notebook: Page, sweep: Sweep) -> None:
    shown = card(notebook)
    expect(shown).to_contain_text("0 of 6 complete")
    sweep.step(0, fails="logs/ is not mounted")
    expect(shown.get_by_role("alert")).to_have_text("RuntimeError: logs/ is not mounted")
    expect(shown.locator(".xp-st", has_text="RUNNING")).to_have_count(2)
    expect(shown.locator(".xp-live")).to_contain_text("stale", timeout=8000)
    sweep.step(1)
    expect(shown.get_by_role("alert")).to_have_count(0)
    expect(shown.locator(".xp-live")).to_have_text("updated now")


def test_a_busy_kernel_answers_all_the_same(notebook: Page, sweep: Sweep) -> None:
    shown = card(notebook)
    expect(shown).to_contain_text("0 of 6 complete")
    start_cell(notebook, 2)
    expect(notebook.locator(".jp-InputPrompt").nth(2)).to_contain_text("*")
    sweep.step(4)
    expect(shown).to_contain_text("3 of 6 complete", timeout=4000)
    expect(notebook.locator(".jp-InputPrompt").nth(2)).to_contain_text("*")


def test_in_a_notebook_run_at_once_the_card_lives_while_the_next_cell_waits(
    lab: str, page: Page, sweep: Sweep
) -> None:
    cells = [f"{SETUP}\nsweep = SteppedSweep(Path())", CARD, "time.sleep(12)"]
    write_notebook(sweep.folder / "all.ipynb", cells)
    open_notebook(page, lab, f"{sweep.folder.name}/all.ipynb")
    start_all(page)
    waits = page.locator(".jp-InputPrompt").nth(2)
    expect(card(page)).to_contain_text("0 of 6 complete")
    sweep.step(4)
    expect(card(page)).to_contain_text("3 of 6 complete", timeout=6000)
    expect(waits).to_contain_text("*")


def test_when_the_kernel_is_gone_the_card_says_how_to_go_on(notebook: Page) -> None:
    expect(card(notebook)).to_contain_text("updated now")
    restart_kernel(notebook)
    expect(card(notebook).get_by_role("alert")).to_contain_text('mlxp_nb.open_sweep("s1")')
    expect(card(notebook).locator(".xp-live")).to_have_text("kernel gone")
    expect(card(notebook).locator(".xp-st", has_text="RUNNING")).to_have_count(2)


def test_two_views_of_one_card_are_both_live(notebook: Page, sweep: Sweep) -> None:
    run_cell(notebook, 3)
    expect(card(notebook)).to_have_count(2)
    sweep.step(2)
    for shown in card(notebook).all():
        expect(shown).to_contain_text("2 of 6 complete")


def test_after_a_reload_the_card_is_there_and_goes_on(
    notebook: Page, sweep: Sweep, lab: str
) -> None:
    expect(card(notebook)).to_contain_text("0 of 6 complete")
    save(notebook)
    sweep.step(2)
    open_notebook(notebook, lab, f"{sweep.folder.name}/sweep.ipynb")
    expect(card(notebook)).to_contain_text("2 of 6 complete")
    sweep.step(3)
    expect(card(notebook)).to_contain_text("FAILED")


def test_letters_typed_in_the_card_are_no_commands_of_jupyterlab(notebook: Page) -> None:
    cells = notebook.locator(".jp-Cell").count()
    expect(card(notebook)).to_contain_text("updated now")
    button = card(notebook).get_by_role("button", name="Log of run 1")
    button.focus()
    notebook.keyboard.type("bax")
    expect(button).to_be_focused()
    assert notebook.locator(".jp-Cell").count() == cells


def test_every_button_has_a_name_and_can_be_reached(notebook: Page) -> None:
    buttons = card(notebook).locator("button:visible")
    assert all(
        button.evaluate("(b) => Boolean(b.getAttribute('aria-label') || b.textContent.trim())")
        for button in buttons.all()
    )
    card(notebook).get_by_role("button", name="Cancel sweep").focus()
    reached = []
    for _ in range(buttons.count() - 1):
        notebook.keyboard.press("Tab")
        reached.append(notebook.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert reached[:3] == ["Log of run 1", "Cancel run 1", "Log of run 2"]
    assert None not in reached


def test_counts_are_told_to_a_screen_reader(notebook: Page, sweep: Sweep) -> None:
    status = card(notebook).get_by_role("status")
    expect(status).to_have_text("0 of 6 complete")
    sweep.step(6)
    expect(status).to_have_text("5 of 6 complete, 1 ended badly, over")
    bar = card(notebook).get_by_role("img")
    expect(bar).to_have_attribute("aria-label", "5 complete, 1 failed")


# ---------------------------------------------------------------------------------- the look


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_large_sweep_and_its_curves(
    lab: str,
    page: Page,
    sweep: Sweep,
    screenshots: Callable[[str], str],
    theme: str,
    width: int,
) -> None:
    set_theme(lab, theme)
    cells = [SETUP, "SweepCard(lambda: large(time.time()), cancel=print, log=str)"]
    cells += ["PLOTS['curves'](curves(4))", "PLOTS['curves'](curves(9), log_y=True)"]
    write_notebook(sweep.folder / "look.ipynb", cells)
    open_notebook(page, lab, f"{sweep.folder.name}/look.ipynb")
    run_cell(page, 0)
    run_cell(page, 1)
    sized(page, width)
    expect(card(page)).to_contain_text("updated now")
    page.screenshot(path=screenshots(f"card-{theme}-{width}"))
    run_cell(page, 2)
    run_cell(page, 3)
    plots = page.locator(".js-plotly-plot")
    expect(plots).to_have_count(2)
    expect(plots.first.locator(".annotation-text")).to_have_count(5)
    ground = plots.first.locator(".main-svg").first.evaluate("(s) => s.style.background")
    assert ground == ("rgb(255, 255, 255)" if theme == "light" else "rgb(17, 17, 17)")
    plots.last.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=screenshots(f"curves-{theme}-{width}"))
    over = card(page).evaluate("(c) => c.scrollWidth - c.clientWidth")
    assert over <= 0
    cut = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)"
    words = card(page).locator(".xp-st, .xp-num, .xp-count, .xp-facts dd, .xp-legend > span")
    assert words.evaluate_all(cut) == []


def test_under_the_pointer_a_curve_tells_middle_band_and_n(
    lab: str, page: Page, sweep: Sweep, screenshots: Callable[[str], str]
) -> None:
    set_theme(lab, "light")
    write_notebook(sweep.folder / "hover.ipynb", [SETUP, "PLOTS['curves'](curves(2))"])
    open_notebook(page, lab, f"{sweep.folder.name}/hover.ipynb")
    run_all(page)
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    inside = plot.bounding_box()
    assert inside is not None
    page.mouse.move(inside["x"] + inside["width"] / 2, inside["y"] + inside["height"] / 2)
    box = page.locator(".js-plotly-plot .hoverlayer .legend")
    expect(box).to_contain_text(re.compile(r"0\.01, logreg.*\[[\d.]+, [\d.]+\].*n 3"))
    buttons = page.locator(".modebar-btn").evaluate_all("(all) => all.map((b) => b.dataset.title)")
    assert buttons
    assert not [title for title in buttons if re.search("[Ss]hare|[Cc]loud|Edit", title)]
    page.screenshot(path=screenshots("curves-hover"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_executed_notebook_shows_everything_in_a_page_without_jupyter(
    browser: Browser, sweep: Sweep, screenshots: Callable[[str], str], theme: str
) -> None:
    sweep.step(6)
    cells = [SETUP, f"sweep = SteppedSweep(Path())\n{CARD}", "PLOTS['curves'](curves(4))"]
    page = exported(browser, sweep.folder, cells, theme)
    expect(card(page)).to_contain_text("5 of 6 complete")
    expect(card(page).locator(".xp-tb")).to_have_text(
        "ValueError: <b>lr</b> is too large train.py:12"
    )
    picture = page.locator(".jp-RenderedSVG img")
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.naturalWidth") == 760
    page.screenshot(path=screenshots(f"exported-{theme}"))
    page.close()


def exported(browser: Browser, folder: Path, cells: list[str], theme: str) -> Page:
    """A notebook executed and exported by Jupyter's own tools, opened without a network."""
    path = folder / "exported.ipynb"
    write_notebook(path, cells)
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    assert len(nbformat.writes(notebook)) < 150_000  # type: ignore[no-untyped-call]
    exporter = HTMLExporter(theme=theme)  # type: ignore[no-untyped-call]  # nbconvert has no types
    html, _ = exporter.from_notebook_node(notebook)
    (folder / "exported.html").write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1150, "height": 1250}, device_scale_factor=2)
    page.route(re.compile("^https?://"), lambda route: route.abort())
    page.goto((folder / "exported.html").as_uri())
    return page

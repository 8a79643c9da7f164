"""The dossier's page in a browser: wide and narrow, light and dark, on paper; it asks for nothing, and can be read."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from jobs.dossier import PAGE, review

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = os.environ.get("NOREN_SCREENSHOTS")
"""A folder in which what the officer sees is kept: docs/ to renew the pictures there."""
WIDE, NARROW = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}
FIRST = (
    "Monthly audience by service, 2026-10: for decision", "The gate is open", "Media research institute", "DATA-2026-001", "provision of such information to a third party", "2(1)(k)", "had nothing before", "Cells", "Headlines",
    "Smallest published figure", "nothing under 10 may be", "What the attack found", "Logs came of every day", "Since the last version", "Since the last period", "Nobody opted out",
)  # fmt: skip
CONTRAST = """() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *:not(script):not(svg *)")) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const [a, b] = [parts(getComputedStyle(element).color), behind(element)].map(luminance).sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push([element.tagName, element.className, element.textContent.slice(0, 40)]);
  }
  return low;
}"""
"""Texts whose contrast with what is behind them is under 4.5 to 1 (WCAG 2.2, 1.4.3)."""

CUT = "[...document.querySelectorAll('.card')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
"""Cards of the first screen of which a part is cut off."""


@pytest.fixture(scope="module")
def browser():
    if importlib.util.find_spec("playwright") is None or CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium, pip install playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def written(setting, reached):
    """The page of a release of the month, as its review writes it."""
    candidate = reached("monthly-audience", "gated")
    review(setting, candidate.id)
    return candidate.evidence / PAGE


def test_it_can_be_read_at_two_widths_and_in_two_schemes(browser, written):
    for size in (WIDE, NARROW):
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=size, color_scheme=scheme)
            page, asked, wrong = context.new_page(), [], []
            page.on("request", lambda request, to=asked: to.append(request.url))
            page.on("pageerror", lambda error, to=wrong: to.append(str(error)))
            page.on("console", lambda said, to=wrong: to.append(said.text))
            page.goto(written.as_uri())
            assert (asked, wrong) == ([written.as_uri()], [])
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            first = page.locator("header, section.first")
            told = " ".join(first.all_inner_texts())
            assert [words for words in FIRST if words not in told] == []
            if size is WIDE:
                assert (
                    max(box["y"] + box["height"] for box in (one.bounding_box() for one in first.all()))
                    <= size["height"]
                )
            inside = "[...document.querySelectorAll('header *, section.first *')].filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML)"
            assert page.evaluate(inside) == []
            assert page.evaluate(CUT) == []
            assert page.evaluate(CONTRAST) == []
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 23, 27)"}[scheme]
            if SHOTS and size is WIDE and scheme == "light":
                page.set_viewport_size({"width": 1280, "height": 1240})
                page.screenshot(path=Path(SHOTS) / "dossier-page.png")
            context.close()


def test_a_table_is_sorted_by_what_is_pressed_and_whole_without_a_script(browser, written):
    column = "[...document.querySelectorAll('table.sort tbody tr')].map(row => row.cells[3].dataset.v)"
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(written.as_uri())
    rows = plain.locator("table.sort tbody tr").count()
    assert rows > 20
    assert plain.locator("table.sort th button").count() == 0
    page = browser.new_context().new_page()
    page.goto(written.as_uri())
    before = page.evaluate(column)
    for sort, back in (("ascending", False), ("descending", True)):
        page.locator("table.sort th button").nth(3).click()
        assert page.locator("table.sort th").nth(3).get_attribute("aria-sort") == sort
        shown = [int(value) for value in page.evaluate(column) if value]
        assert shown == sorted((int(value) for value in before if value), reverse=back)
        assert len(page.evaluate(column)) == rows
        assert "" not in page.evaluate(column)[: len(shown)]  # what is hidden comes last


def test_on_paper_it_is_light_and_nothing_is_cut_off(browser, written, tmp_path):
    page = browser.new_context(color_scheme="dark").new_page()
    page.goto(written.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        page.evaluate("[...document.querySelectorAll('.wide')].filter(e => e.clientHeight < e.scrollHeight - 1).length")
        == 0
    )
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(CUT) == []
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 less its margins, in pixels
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert page.evaluate(CUT) == []
    page.pdf(path=tmp_path / "dossier.pdf", prefer_css_page_size=True)

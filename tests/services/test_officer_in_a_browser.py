"""The officer's way, in a browser: log in, find what waits, read the dossier, comment and approve; then it is out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = os.environ.get("NOREN_SCREENSHOTS")
"""A folder in which what the officer sees is kept: docs/ to renew the pictures there."""
PATIENCE = 120_000
COMMENT = "Read: cells, gate and recipient are in order."


@contextmanager
def page(url):
    """A page of a browser that reaches nothing but this machine."""
    if importlib.util.find_spec("playwright") is None or CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium, pip install playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, base_url=url)
        context.set_default_timeout(PATIENCE)
        elsewhere = []

        def only_here(route):
            if route.request.url.startswith(url):
                route.continue_()
            else:
                elsewhere.append(route.request.url)
                route.abort()

        context.route("**/*", only_here)
        yield context.new_page()
        browser.close()
    assert elsewhere == []


def shot(seen, name):
    if SHOTS:
        seen.screenshot(path=Path(SHOTS) / f"{name}.png")


@pytest.fixture
def release(released):
    return released("population-by-place")


def test_the_officer_reads_comments_and_approves(release):
    run = release.start()
    candidate = run.asked_for()
    before = release.out
    with page(release.airflow.url) as seen:
        seen.goto("/required_actions")
        seen.fill("input[name=username]", "officer")
        seen.fill("input[name=password]", release.airflow.password("officer"))
        seen.keyboard.press("Enter")
        seen.get_by_text("Approval Required").first.wait_for()
        shot(seen, "airflow-required-actions")
        seen.locator("tr", has_text=f"approve {candidate}").locator("a").first.click()
        seen.get_by_role("heading", name="The gate").wait_for()
        dossier = seen.inner_text("body")
        assert candidate in dossier
        for read in ("To whom", "Allowed by", "passed", "Nothing about 1 to 19 persons is published"):
            assert read in dossier, read
        shot(seen, "airflow-dossier")
        seen.fill("#element_comment", COMMENT)
        approve = seen.get_by_role("button", name="Approve", exact=True)
        approve.scroll_into_view_if_needed()
        shot(seen, "airflow-answer")
        time.sleep(2)  # as long as Airflow 3.3 takes to hear that the task has begun to wait
        approve.click()
        assert run.until("publish", "success", "failed", "skipped") == "success"
        seen.goto(f"/dags/{release.dag}/runs/{run.id}")
        seen.get_by_text("publish").first.wait_for()
        shot(seen, "airflow-published")
    assert len(release.out) == len(before) + 1
    asked = release.airflow.asked("officer", "GET", f"{run.path}/taskInstances/approve/-1/hitlDetails").json()
    assert asked["params_input"] == {"comment": COMMENT}
    assert asked["responded_by_user"]["name"] == "officer"

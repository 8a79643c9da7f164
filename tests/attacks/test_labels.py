"""Row labels are data: a page that one person has for himself is in no file of a package, not even as a hidden row."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
import yaml
from harness.houses import on_any_day

import jobs.verbs.build
from anonymization.home import Home
from anonymization.policy.load import load_policies
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake

TITLE = {"en": "Pages", "ja": "ページ"}
DAYS = [int(datetime(2026, 10, day, 13, tzinfo=timezone(timedelta(hours=9))).timestamp()) for day in (2, 3)]
VISITS = {"/news": 40, "/weather": 12, "/album/of-one-person": 1, "/nine": 9}
HEADER = "time\tamp_client_id\tpage\tseconds_on_page\treferrer\taccess_source\tbrowser\tbrowser_version\tos\tos_version"
PAGES = {
    "release": "pages", "title": TITLE, "description": TITLE, "owner": "data-engineering", "recipient": "media-research",
    "purpose": "statistical_information", "period": "month", "policy_versions": [date(2018, 2, 1)],
    "sources": ["analytics"],
    "dimensions": {
        "page": {"kind": "event", "title": TITLE, "column": "page", "levels": ["page"], "open": True},
        "source": {"kind": "event", "title": TITLE, "column": "access_source", "levels": ["source"], "codelist": "access_source"},
    },
    "tables": {
        "pages": {
            "title": TITLE, "dimensions": ["page", "source"],
            "measures": {"visitors": {"kind": "persons", "source": "analytics", "title": TITLE}},
        }
    },
    "headlines": {"pages": [[]]},
    "protection": {"method": "suppression", "minimum_count": 10, "suppression_limit": 0.99},
}  # fmt: skip


@pytest.fixture
def pages(tmp_path, policy_folder):
    """A home in which pages were visited, and a release of them."""
    (policy_folder / "releases" / "pages.yaml").write_text(yaml.safe_dump(PAGES, allow_unicode=True, sort_keys=False))
    home = Home(tmp_path / "home")
    initialize(home)
    folder = home.landing / "source=analytics" / "arrived=2026-10-04"
    folder.mkdir(parents=True)
    lines = [
        f"{at}\tamp-{page}-{number}\t{page}\t5\t\tdirect\tChrome\t1\tWindows\t10"
        for at in DAYS
        for page, visitors in VISITS.items()
        for number in range(visitors)
    ]
    (folder / "a.tsv").write_text("\n".join([HEADER, *lines]) + "\n")
    policies = load_policies(on_any_day(policy_folder))
    run = run_intake(home, policies, arrivals(home, policies), optouts=())
    assert run.failures == ()
    ledger = Ledger.of(home)
    yield Setting(home, policies, ledger)
    ledger.close()


def test_a_page_of_a_few_is_listed_nowhere(pages):
    built = build(pages, "pages", "2026-10")
    result = gate(pages, built.id)
    assert result.opened, result.reasons
    (table,) = read_package(built.package).tables
    assert set(table.frame["page"]) == {"_T", "/news", "/weather"}
    for path in built.package.rglob("*"):
        if path.is_file():
            assert b"album" not in path.read_bytes(), path.name
            assert b"/nine" not in path.read_bytes(), path.name


def test_a_page_of_a_few_that_is_listed_closes_the_gate(pages, monkeypatch):
    listed = jobs.verbs.build.tabulate.__globals__["_listed"]
    monkeypatch.setitem(
        jobs.verbs.build.tabulate.__globals__,
        "_listed",
        lambda plan, dimensions, facts: listed(replace(plan, minimum_count=1), dimensions, facts),
    )
    built = build(pages, "pages", "2026-10")
    (table,) = read_package(built.package).tables
    assert "/album/of-one-person" in set(table.frame["page"]), "the attack works"
    result = gate(pages, built.id)
    assert not result.opened
    assert any("codes that no closed list has" in reason for reason in result.reasons), result.reasons

"""N persons are no N ids: cookies that a log of links proves to be one member's, and cookies made up for a day."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone

import pytest
import yaml
from harness.houses import on_any_day

import anonymization.tables.counting.holders
from anonymization.home import Home
from anonymization.policy.load import load_policies
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake

TITLE = {"en": "Searches", "ja": "検索"}
ZONE = timezone(timedelta(hours=9))
UNKNOWN = {"ip_address": None, "user_agent": None}
TWO_DAYS, ONE_DAY = (5, 6), (6,)
SEARCHERS = {"kind": "persons", "source": "searches", "title": TITLE}
CATEGORY = {
    "kind": "event",
    "title": TITLE,
    "column": "category",
    "levels": ["category"],
    "codelist": "search_category",
}
KEYWORD = {"kind": "event", "title": TITLE, "column": "keyword", "levels": ["keyword"], "open": True}
DECLARED = {
    "title": TITLE, "description": TITLE, "owner": "data-engineering", "recipient": "media-research",
    "purpose": "statistical_information", "period": "month", "policy_versions": [date(2018, 2, 1)],
    "sources": ["searches"],
}  # fmt: skip


def cookies(prefix, number):
    return [f"{prefix}{n:02d}" for n in range(number)]


@pytest.fixture
def searched(tmp_path, policy_folder):
    """Builds and gates a release of what was searched for: cookies, what they typed, its category, and on which days."""
    opened = []

    def searched(rows, *, dimension, links=(), **protection):
        name, spec = dimension
        tables = {"t": {"title": TITLE, "dimensions": [name], "measures": {"searchers": SEARCHERS}}}
        declared = DECLARED | {
            "release": "searched", "dimensions": {name: spec}, "tables": tables,
            "headlines": {"t": [[]]},
            "protection": {"method": "suppression", "minimum_count": 50 if name == "keyword" else 10, "suppression_limit": 0.99, **protection},
        }  # fmt: skip
        text = yaml.safe_dump(declared, allow_unicode=True, sort_keys=False)
        (policy_folder / "releases" / "searched.yaml").write_text(text)
        home = Home(tmp_path / f"home{len(opened)}")
        initialize(home)
        lines = ["time\tcookie_id\tquery\tcategory\tresults"]
        for who, typed, category, days in rows:
            lines += [f"{_at(day)}\t{one}\t{typed}\t{category}\t1" for day in days for one in who]
        _landed(home, "searches", "q.tsv", lines)
        if links:
            signed_in = [
                {"time": _at(6), "cookie_id": c, "member_id": m, "service": "mail", **UNKNOWN} for c, m in links
            ]
            _landed(home, "links", "l.jsonl", [json.dumps(one) for one in signed_in])
        policies = load_policies(on_any_day(policy_folder))
        run = run_intake(home, policies, arrivals(home, policies), optouts=())
        assert run.failures == ()
        opened.append(Ledger.of(home))
        setting = Setting(home, policies, opened[-1])
        built = build(setting, "searched", "2026-10")
        (table,) = read_package(built.package).tables
        return table.frame.set_index(name)["searchers"].to_dict(), gate(setting, built.id)

    yield searched
    for ledger in opened:
        ledger.close()


def _at(day):
    return datetime(2026, 10, day, 12, tzinfo=ZONE).isoformat()


def _landed(home, source, name, lines):
    folder = home.landing / f"source={source}" / "arrived=2026-10-06"
    folder.mkdir(parents=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


WEATHER = (cookies("c", 70), "天気", "web", TWO_DAYS)
ORACLE = (cookies("evil", 49), "a rare clinic", "web", ONE_DAY)
VICTIM = (["victim"], "a rare clinic", "web", TWO_DAYS)
BY_KEYWORD, BY_CATEGORY = ("keyword", KEYWORD), ("category", CATEGORY)


def test_cookies_made_up_for_a_day_make_no_keyword_listed(searched):
    shown, result = searched([WEATHER, ORACLE, VICTIM], dimension=BY_KEYWORD)
    assert set(shown) == {"_T", "天気"}
    assert result.opened, result.reasons


def test_they_do_where_every_id_is_declared_to_count(searched):
    shown, _ = searched([WEATHER, ORACLE, VICTIM], dimension=BY_KEYWORD, established_days=1)
    assert shown["a rare clinic"] == 50, "the attack works"


def test_figures_count_who_is_not_established(searched):
    shown, result = searched([WEATHER, (cookies("once", 60), "天気", "web", ONE_DAY)], dimension=BY_KEYWORD)
    assert shown == {"_T": 130, "天気": 130}
    assert result.opened, result.reasons


TWO_EACH = [(f"two{n:02d}", f"m{n // 2}") for n in range(10)]
OF_FIVE = [([cookie for cookie, _ in TWO_EACH], "x", "image", ONE_DAY), (cookies("c", 40), "x", "web", ONE_DAY)]


def test_ten_cookies_of_five_members_are_no_ten_persons(searched):
    shown, result = searched(OF_FIVE, dimension=BY_CATEGORY, links=TWO_EACH)
    assert shown["image"] is None
    assert result.opened, result.reasons


def test_without_a_log_that_says_so_they_are(searched):
    shown, _ = searched(OF_FIVE, dimension=BY_CATEGORY)
    assert shown["image"] == 10, "nobody knows better"


def test_ten_cookies_of_five_members_that_are_shown_close_the_gate(searched, monkeypatch):
    monkeypatch.setattr(anonymization.tables.counting.tabulate, "_holders", lambda *_: ())
    shown, result = searched(OF_FIVE, dimension=BY_CATEGORY, links=TWO_EACH)
    assert shown["image"] == 10, "the attack works"
    assert not result.opened
    assert any("at least the minimum publishable count" in r or "unsafe" in r for r in result.reasons), result.reasons


def test_established_ids_are_declared_for_closed_dimensions_too(searched):
    rows = [(cookies("once", 20), "x", "image", ONE_DAY), (cookies("c", 40), "x", "web", TWO_DAYS)]
    shown, result = searched(rows, dimension=BY_CATEGORY, established_days=2)
    assert shown["image"] is None
    assert result.opened, result.reasons

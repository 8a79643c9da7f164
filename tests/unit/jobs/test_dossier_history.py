"""The dossier of a candidate after a release is out: who had what, what changed, against what the gate attacked."""

from __future__ import annotations

import json

import pytest
from harness.dossiers import PERSONS, dimension, table

from anonymization.files import PRIVATE
from anonymization.release.delivered import version_folder
from anonymization.release.gate.attacks import FINDINGS
from anonymization.release.setting import Setting
from anonymization.tables.headlines import Margin
from anonymization.tables.model import TOTAL
from jobs.dossier import DOSSIER, PAGE, review, told
from jobs.dossier.facts import collect
from jobs.dossier.history import Change, _changes, _out, history
from jobs.verbs.gate import gate

NAME = "web-audience"


@pytest.fixture
def out(setting: Setting, reached, publish_it):
    """A release that is out, and a candidate of it that is gated after that."""
    done = publish_it(setting, reached(NAME, "approved"))
    return setting, done, done.publication.candidate


def test_what_is_out_is_told_with_whom_it_went_to(out):
    setting, _, candidate = out
    (one,) = history(setting, collect(setting, candidate)).out
    assert (str(one.publication), one.recipient, one.withdrawn) == (f"{NAME} 2026-10 v1", "Content partner", False)
    assert history(setting, collect(setting, candidate)).had == ()  # what is decided on is not what he had before
    request = setting.home.candidates / candidate / "evidence" / "request.json"
    request.write_text(request.read_text().replace('"content-partner"', '"media-research"'))
    assert [one.recipient for one in _out(setting)] == ["unknown: its request is not what was recorded"]
    request.unlink()
    assert [one.recipient for one in _out(setting)] == ["unknown: its request is gone"]


def test_the_review_writes_both_and_the_text_names_the_page(setting, reached):
    candidate = reached(NAME, "gated")
    text = review(setting, candidate.id)
    page = candidate.evidence / PAGE
    assert (candidate.evidence / DOSSIER).read_text() == f"{text}\n" == f"{told(setting, candidate.id)}\n"
    assert f"`candidates/{candidate.id}/evidence/{PAGE}`" in text
    assert page.stat().st_mode & 0o777 == PRIVATE
    written = page.read_bytes()
    review(setting, candidate.id)
    assert page.read_bytes() == written


def test_the_verdict_says_against_what_it_attacked(setting, reached, release_it):
    candidate = reached(NAME, "gated")
    alone = collect(setting, candidate.id)
    free = sum(int((t.frame[f"{m.name}_status"] == "F").sum()) for t in alone.package.tables for m in t.measures)
    assert alone.verdict["attack"] == {"earlier": [], "shown": free, "unknowns": alone.hidden}
    release_it(setting, candidate)
    gate(setting, candidate.id)
    beside = collect(setting, candidate.id).verdict["attack"]
    assert beside == {"earlier": [f"{NAME} 2026-10 v1"], "shown": 2 * free, "unknowns": 2 * alone.hidden}


def test_the_last_version_that_is_damaged_is_told(out, monkeypatch):
    setting, done, candidate = out
    facts = collect(setting, candidate)
    object.__setattr__(facts.candidate.request, "candidate", "9-0123456789abcdef")
    compared = history(setting, facts).compared
    assert [(one.since, one.name, one.why_not) for one in compared] == [
        ("the last version", f"{NAME} 2026-10 v1", ""),
        ("the last period", "", "there is none"),
    ]
    assert {change.percent for change in (*compared[0].totals, *compared[0].headlines)} == {"unchanged"}
    assert [one.title for one in history(setting, facts).had] == ["Web audience"]
    for folder in (version_folder(setting.home, done.publication), setting.home.candidates / candidate):
        (folder / "package" / "README.md").write_text("changed")
    assert "is damaged" in history(setting, facts).compared[0].why_not


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        pytest.param({(TOTAL,): 200, ("a",): 50}, {(TOTAL,): 300, ("a",): 60}, [(True, 200, 300, "+50.0%"), (False, 50, 60, "+20.0%")], id="both"),
        pytest.param({(TOTAL,): 200, ("a",): None}, {(TOTAL,): 300, ("a",): 60}, [(True, 200, 300, "+50.0%")], id="hidden before"),
        pytest.param({(TOTAL,): 200, ("a",): 50}, {(TOTAL,): None, ("a",): 60}, [(False, 50, 60, "+20.0%")], id="hidden now"),
        pytest.param({("b",): 50}, {("a",): 60}, [], id="other codes"),
        pytest.param({("a",): 0}, {("a",): 60}, [(False, 0, 60, "was 0")], id="from nobody"),
    ],
)  # fmt: skip
def test_only_what_is_published_in_both_is_compared(before, now, changes):
    of = [dimension("region", {"a": ("A", ""), "b": ("B", "")})]
    found = _changes(table(of, before), table(of, now), frozenset({Margin(["region"])}))
    told = [(grand, change.before, change.now, change.percent) for grand, change in found]
    assert told == changes
    assert all(isinstance(change, Change) and change.measure == PERSONS.title["en"] for _, change in found)


def test_what_the_attacks_found_is_read_with_the_narrowest_interval_first(setting, reached):
    candidate = reached(NAME, "gated")
    assert collect(setting, candidate.id).findings == ()
    kept = candidate.evidence / FINDINGS
    one = {"release": "r", "table": "t", "measure": "m", "cell": "c", "derived_from": ["x"]}
    kept.write_text(
        json.dumps([one | {"low": 1, "high": -1}, one | {"low": 0, "high": 9}, one | {"low": 3, "high": 4}])
    )
    assert [(found.low, found.high) for found in collect(setting, candidate.id).findings] == [(3, 4), (0, 9), (1, -1)]
    kept.write_text("no JSON")
    assert collect(setting, candidate.id).findings == ()

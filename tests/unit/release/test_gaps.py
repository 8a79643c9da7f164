"""A day whose logs are missing is told, and closes the gate until an officer knows of it; a quiet day is none."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from anonymization.errors import DecisionRefusal, InputError
from anonymization.keys import generate_officer_key, load_private_key
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.policy.sources import Arrives
from anonymization.release.gaps import TELLING, acknowledge, acknowledged, gaps_now, missing, told
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.package import read_package
from jobs.__main__ import main
from jobs.dossier import review
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.walk import OFFICER as WALKS

PERIOD = parse_period(PeriodKind.MONTH, "2026-10")
FIRST = PERIOD.first
"""2026-10-01, a Thursday."""
OFFICER = "demo-officer"
ALL = frozenset(range(FIRST, PERIOD.past))


def month(usual, *, weekend=None, **changed):
    """Events a day, with other numbers on some days of the month (`on_12=0`)."""
    counted = {}
    for n in range(1, 32):
        of_weekend = (n + 2) % 7 in (5, 6)
        counted[FIRST + n - 1] = weekend if of_weekend and weekend is not None else usual
    return counted | {FIRST + int(name[3:]) - 1: n for name, n in changed.items()}


CASES = {
    "every day has some": (Arrives.DAILY, month(300), ALL, {}),
    "a day has none": (Arrives.DAILY, month(300, on_12=0), ALL, {12: "nothing"}),
    "a week has none": (Arrives.DAILY, month(300, **{f"on_{n}": 0 for n in range(12, 19)}), ALL, dict.fromkeys(range(12, 19), "nothing")),
    "the rest of the month has not come": (Arrives.DAILY, month(300, **{f"on_{n}": 0 for n in range(20, 32)}), ALL, dict.fromkeys(range(20, 32), "nothing")),
    "a day has 39 % of the usual": (Arrives.DAILY, month(300, on_12=117), ALL, {12: "39%"}),
    "a day has 40 % of the usual": (Arrives.DAILY, month(300, on_12=120), ALL, {}),
    "weekends have fewer": (Arrives.DAILY, month(300, weekend=90), ALL, {}),
    "weekends have none, and no log": (Arrives.DAILY, month(300, weekend=0), ALL - {FIRST + 2}, {3: "nothing"}),
    "few are usual, and a log came without any": (Arrives.DAILY, month(4, on_12=0), ALL, {}),
    "few are usual, and no log came": (Arrives.DAILY, month(4, on_12=0), ALL - {FIRST + 11}, {12: "nothing"}),
    "few are usual, and one came": (Arrives.DAILY, month(90, on_12=1), ALL, {}),
    "a snapshot a month": (Arrives.MONTHLY, {FIRST + 30: 5_000}, frozenset(), {}),
    "no snapshot": (Arrives.MONTHLY, {}, frozenset(), dict.fromkeys(range(1, 32), "nothing")),
    "nobody knows when": (Arrives.IRREGULARLY, {FIRST: 1}, frozenset(), {}),
}  # fmt: skip


@pytest.mark.parametrize(("arrives", "counted", "delivered", "expected"), CASES.values(), ids=CASES)
def test_what_is_missing(arrives, counted, delivered, expected):
    found = missing(arrives, counted, delivered, PERIOD)
    assert {day - FIRST + 1: much for day, much in found.items()} == expected


def test_runs_of_days_are_told_as_one():
    gaps = {"clicks": {**{f"2026-10-{n}": "nothing" for n in (12, 13, 14, 20)}, "2026-10-21": "38%"}}
    assert told(gaps) == ["clicks lacks 2026-10-12 to 2026-10-14, 2026-10-20, 2026-10-21 (38%)"]


LOST = ("2026-10-12", "2026-10-13")


@pytest.fixture
def failed():
    """Tells the suites that a gate's result failed."""
    return lambda result: {suite.name for suite in result.results if not suite.success}


@pytest.fixture
def lacking(setting):
    """A setting whose web analytics lack two days."""
    for day in LOST:
        for path in (setting.home.events / "source=analytics" / f"arrived={day}").iterdir():
            path.unlink()
    return setting


@pytest.fixture
def officer(setting, tmp_path):
    """An officer of a test's own: how `acknowledge` is told who signs."""
    public = generate_officer_key(tmp_path / "own.key")
    return {"officer": OFFICER, "officers": {OFFICER: public}, "key": load_private_key(tmp_path / "own.key")}


def test_a_gap_closes_the_gate_until_an_officer_knows_of_it(lacking, officer_key, failed):
    candidate = build(lacking, "web-audience", "2026-10")
    assert candidate.request.gaps == {"analytics": dict.fromkeys(LOST, "nothing")}
    closed = gate(lacking, candidate.id)
    assert not closed.opened
    assert failed(closed) == {"candidate_collected"}
    assert any("analytics lacks 2026-10-12 to 2026-10-13: take its logs in" in reason for reason in closed.reasons)
    (name,) = lacking.officers
    acknowledge(
        lacking.ledger, "analytics", candidate.request.gaps, officer=name, officers=lacking.officers, key=officer_key
    )
    opened = gate(lacking, candidate.id)
    assert opened.opened, opened.reasons
    package = read_package(candidate.package)
    assert package.lacking == {"analytics": list(LOST)}
    assert "- analytics: 2026-10-12, 2026-10-13" in (candidate.package / "README.md").read_text()
    assert "**Logs are missing**: analytics lacks 2026-10-12 to 2026-10-13." in review(lacking, candidate.id)


def test_a_package_that_keeps_its_gaps_quiet_closes_the_gate(lacking, officer_key, failed, monkeypatch):
    monkeypatch.setattr("jobs.verbs.build.days_lacking", lambda _: {})
    candidate = build(lacking, "web-audience", "2026-10")
    (name,) = lacking.officers
    acknowledge(
        lacking.ledger, "analytics", candidate.request.gaps, officer=name, officers=lacking.officers, key=officer_key
    )
    assert failed(gate(lacking, candidate.id)) == {"candidate_collected"}


def test_who_is_not_enrolled_acknowledges_nothing(setting, officer):
    gaps = {"clicks": {"2026-10-12": "nothing"}}
    with pytest.raises(DecisionRefusal, match="is not enrolled with this key"):
        acknowledge(setting.ledger, "clicks", gaps, **(officer | {"officers": setting.officers}))
    acknowledge(setting.ledger, "clicks", gaps, **officer)
    assert acknowledged(setting.ledger, officer["officers"]).without(gaps) == {}
    assert acknowledged(setting.ledger, setting.officers).without(gaps) == gaps


def test_what_another_key_signed_counts_for_nothing(setting, officer):
    gaps = {"clicks": {"2026-10-12": "nothing"}}
    entry = acknowledge(setting.ledger, "clicks", gaps, **officer)
    more = entry.payload | {"days": ["2026-10-12", "2026-10-13"]}
    with setting.ledger.transaction() as transaction:
        transaction.append(EntryKind.GAP, "clicks", more)
    both = {"clicks": dict.fromkeys(more["days"], "nothing")}
    assert acknowledged(setting.ledger, officer["officers"]).without(both) == {"clicks": {"2026-10-13": "nothing"}}


def test_what_lacks_nothing_is_not_acknowledged(setting, officer):
    gaps = gaps_now(setting, "clicks", PERIOD)
    assert gaps == {}
    with pytest.raises(InputError, match="'clicks' lacks nothing; gaps: none"):
        acknowledge(setting.ledger, "clicks", gaps, **officer)


def test_the_verb_lists_what_is_missing_and_takes_an_officers_word(lacking, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(lacking.home.root))
    monkeypatch.setenv("NOREN_OFFICER_KEY", str(lacking.home.keys / f"{WALKS}.key"))
    lacking.ledger.close()

    def ran(*words):
        return CliRunner().invoke(main, ["gaps", "--period", *words])

    listed = ran("2026-10")
    assert listed.exit_code == 1
    assert "closes the gate:\n  analytics lacks 2026-10-12 to 2026-10-13: take its logs in" in listed.output
    signed = ran("2026-10", "--acknowledge", "analytics", "--officer", WALKS)
    assert signed.exit_code == 0, signed.output
    assert "known to an officer: analytics lacks 2026-10-12 to 2026-10-13" in signed.output
    assert ran("2026-10").exit_code == 0
    assert "each day are there" in ran("2026-10-11").output
    for words, said in (
        (("2026-10", "--acknowledge", "analytics"), "go together"),
        (("2026-13",), "no such period"),
        (("2026-10", "--acknowledge", "cliks", "--officer", WALKS), "no such source"),
        (("2026-10", "--acknowledge", "clicks", "--officer", WALKS), "'clicks' lacks nothing"),
        (("2026-11", "--acknowledge", "clicks", "--officer", WALKS), "has no events in 2026-11"),
    ):
        refused = ran(*words)
        assert refused.exit_code == 2, refused.output
        assert said in refused.output


def test_what_is_usual_is_told_by_the_month_also_of_a_day(setting):
    """A day with few events is no usual day because nobody looks at another."""
    folder = setting.home.events / "source=clicks"
    (path,) = [p for p in (folder / "arrived=2026-10-12").glob("*.parquet") if pq.read_metadata(p).num_rows > TELLING]
    rows = pq.read_table(path)
    path.unlink()
    pq.write_table(rows.slice(0, 20), path)
    day = parse_period(PeriodKind.DAY, "2026-10-12")
    assert set(gaps_now(setting, "clicks", day)["clicks"]) == {"2026-10-12"}
    assert gaps_now(setting, "clicks", parse_period(PeriodKind.DAY, "2026-10-14")) == {}

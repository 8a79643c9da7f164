"""Late logs after a release is out: few wait, many come in, and what waits is told by no figure; the gate counts itself."""

from __future__ import annotations

import contextlib
import csv
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from harness.homes import copied
from harness.houses import on_any_day

from anonymization.errors import IntegrityError
from anonymization.home import Home
from anonymization.policy.load import load_policies
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.release import states
from anonymization.release.choices import add_optouts
from anonymization.release.gate import changed as against
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.package import read_package
from anonymization.release.removals import REMOVED
from anonymization.release.setting import Setting
from anonymization.tables.audit.findings import Finding
from jobs.dossier import review
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import open_demo, release

MONTH = "2026-10"
OCTOBER = parse_period(PeriodKind.MONTH, MONTH)
POLICIES = Path(__file__).parents[2] / "policies"
TOKYO = timezone(timedelta(hours=9))
TITLE = {"en": "Uses", "ja": "利用"}
USERS = {"kind": "persons", "source": "service_usage", "title": TITLE}
USES = {"kind": "total", "source": "service_usage", "title": TITLE}
DAY = {"kind": "event", "title": TITLE, "column": "day", "levels": ["day"]}
SERVICE = DAY | {"column": "service", "levels": ["service"], "codelist": "service"}


def by_age(*services):
    """Who used some services, and how often, by age."""
    of = {"where": {"service": list(services)}}
    return {"usage": {"title": TITLE, "dimensions": ["age_band"], "measures": {"users": USERS | of, "uses": USES | of}}}


VISITS = {
    "usage": {
        "title": TITLE,
        "dimensions": ["service"],
        "measures": {"users": USERS, "user_days": USES | {"kind": "person_days"}},
    }
}
HIDDEN = {"method": "suppression", "minimum_count": 10, "suppression_limit": 0.9}
ALONE = {"sources": ["service_usage"], "attributes": {}}
CELL_KEY = {"method": "cell_key", "minimum_count": 10, "deviation": 5, "variance": 2}
BY = {
    "by-service": {},
    "filtered": {
        "tables": {
            "usage": {
                "title": TITLE,
                "dimensions": ["age_band"],
                "measures": {
                    "users": USERS,
                    "uses": USES,
                    "mail_users": USERS | {"where": {"service": ["mail"]}},
                    "mail_uses": USES | {"where": {"service": ["mail"]}},
                },
            }
        }
    },
    "by-age": {"tables": {"usage": {"title": TITLE, "dimensions": ["age_band"], "measures": {"users": USERS}}}},
    "noisy": {
        "tables": {"usage": {"title": TITLE, "dimensions": ["service", "age_band"], "measures": {"users": USERS}}},
        "protection": CELL_KEY,
    },
    "noisy-uses": {"protection": CELL_KEY | {"most_per_person": {"uses": 500}}},
    "of-a-day": {"period": "day", "dimensions": {"service": SERVICE}, **ALONE},
    "by-day": {
        "dimensions": {"day": DAY},
        "tables": {"usage": {"title": TITLE, "dimensions": ["day"], "measures": {"users": USERS}}},
        **ALONE,
    },
    "mail": {"tables": by_age("mail")},
    "news": {"tables": by_age("news")},
    "bundle": {"tables": by_age("mail", "news")},
    "visits": {"tables": VISITS, "dimensions": {"service": SERVICE}, **ALONE, "protection": HIDDEN},
    "visits-of-a-day": {
        "period": "day",
        "tables": VISITS,
        "dimensions": {"service": SERVICE},
        **ALONE,
        "protection": HIDDEN,
    },
}
ALL_HEADLINES = {"usage": [[]]}
BY["ages"] = {"tables": {"usage": BY["by-age"]["tables"]["usage"]}, "protection": HIDDEN, "headlines": ALL_HEADLINES}
TABLES = {"usage": {"title": TITLE, "dimensions": ["service"], "measures": {"users": USERS, "uses": USES}}}
BORN = {"m": "1980-01-01", "n": "1950-01-01", "j": "2003-01-01", "k": "1993-01-01", "l": "1970-01-01"}


@dataclass(frozen=True)
class Service:
    """A home in which sixty young and sixty old members use mail three times on two days, as many others news."""

    setting: Setting

    def subscribers(self, people, day="2026-10-31", name="s.csv"):
        """Deliver members, each with a day of birth, as of a day."""
        folder = self._folder("subscribers", day)
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["as_of", "member_id", "name", "kana", "birth_date", "postal_address", "phone", "email", "service"]
            )
            writer.writerows([day, m, "名", "メイ", born, "東京都千代田区1-1", "", "", "mail"] for m, born in people)
        return self._taken()

    def uses(self, members, times=1, *, service="mail", day=15, name="late"):
        """Let members use a service so often on a day."""
        at = [datetime(2026, 10, day, 10, tzinfo=TOKYO) + timedelta(seconds=n) for n in range(times)]
        return self.deliver([(time, member, service) for member in members for time in at], day, name)

    def deliver(self, rows, day=15, name="late"):
        """Deliver a log that arrived on a day: when who used what."""
        columns = {
            "time": pa.array([time for time, *_ in rows], pa.timestamp("us", "Asia/Tokyo")),
            "member_id": [member for _, member, _ in rows],
            "service": [service for *_, service in rows],
            "status": ["active"] * len(rows),
            "channel": ["web"] * len(rows),
        }
        empty = pa.array([None] * len(rows), pa.string())
        columns |= dict.fromkeys(("voice_seconds", "voice_data", "error_message"), empty)
        pq.write_table(pa.table(columns), self._folder("service_usage", f"2026-10-{day:02}") / f"{name}.parquet")
        (taken,) = self._taken()
        assert taken.accepted == len(rows)

    def _folder(self, source, day):
        folder = self.setting.home.landing / f"source={source}" / f"arrived={day}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _taken(self):
        home, policies = self.setting.home, self.setting.policies
        return [one for one in run_intake(home, policies, arrivals(home, policies), optouts=()).taken if not one.again]

    def publish(self, name, period=MONTH):
        """Publish a version; return its tables."""
        folder = release(self.setting, name, period).folder
        return {table.name: table.frame for table in read_package(folder / "package").tables}

    def states(self):
        """What the ledger says of the states of usage: number, and whether something waits."""
        with self.setting.ledger.transaction() as transaction:
            entries = transaction.entries(kind=EntryKind.STATE, subject=f"service_usage {MONTH}")
        return [(entry.payload["number"], bool(entry.payload["left"])) for entry in entries]


def members(of, number, first=0):
    return [f"{of}{n:04d}" for n in range(first, first + number)]


@pytest.fixture(scope="session")
def began(once):
    """Makes a home with the month's logs, in which one of the releases is out, if it is named; and its policy folder."""

    def make(folder, name):
        policies = on_any_day(shutil.copytree(POLICIES, folder / "policies"))
        based = yaml.safe_load((policies / "releases" / "service-usage.yaml").read_text()) | {"pins": {}}
        for other, changes in BY.items():
            content = based | {"release": other, "tables": TABLES} | changes
            (policies / "releases" / f"{other}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
        home = Home(folder / "home")
        open_demo(home)
        with contextlib.closing(Ledger.of(home)) as ledger:
            made = Service(Setting(home, load_policies(policies), ledger))
            made.subscribers([(m, BORN[m[0]]) for m in members("m", 80) + members("n", 80)])
            for day, used, first in ((14, "mail", 0), (15, "news", 20), (16, "mail", 0)):
                made.uses(members("m", 60, first) + members("n", 60, first), 3, service=used, day=day, name="u")
            if name is not None:
                made.publish(name)
        return home, policies

    return lambda name=None: once("service", lambda folder: make(folder, name), out=name)


@pytest.fixture
def service(began, tmp_path):
    """Continues where a home began."""
    with contextlib.ExitStack() as stack:

        def of(name=None):
            home, policies = began(name)
            place = copied(home, tmp_path / "home", landing=True)
            ledger = stack.enter_context(contextlib.closing(Ledger.of(place)))
            return Service(Setting(place, load_policies(policies), ledger))

        yield of


AT = [datetime(2026, 10, 15, 10, second=n, tzinfo=TOKYO) for n in range(40)]
FIFTEEN_AND_ONE = [(AT[0], member, "mail") for member in members("m", 15)] + [(at, "m0020", "news") for at in AT]
"""Of all uses one person's are most of what came, but not all; of those that are not of mail, all."""
LATE = "persons whose late events wait, at most"


@pytest.mark.parametrize(
    ("name", "late", "waits"),
    [
        pytest.param("by-service", lambda s: s.uses(["m0007"], 37), True, id="37 more uses by one member"),
        pytest.param("by-service", lambda s: s.uses(members("m", 37)), False, id="37 uses by 37 members"),
        pytest.param("by-service", lambda s: s.uses(members("m", 9, 60)), True, id="nine new members"),
        pytest.param("by-service", lambda s: s.uses(members("m", 12, 60)), False, id="twelve new members"),
        pytest.param("by-age", lambda s: s.uses(["m0007"], 37), False, id="of no figure"),
        pytest.param("by-age", lambda s: s.subscribers([("m0007", "1950-01-01")], name="t.csv"), True, id="an age that is another"),
        pytest.param("filtered", lambda s: s.deliver(FIFTEEN_AND_ONE), True, id="many by mail, and one by what is not"),
        pytest.param("noisy", lambda s: s.uses(members("m", 1, 60)), True, id="a noisy figure, one"),
        pytest.param("noisy", lambda s: s.uses(members("m", 20, 60)), False, id="a noisy figure, twenty"),
        pytest.param("by-service", lambda s: s.uses([*members("m", 30), *["m0007"] * 400]), True, id="thirty, of whom one did nearly all"),
    ],
)  # fmt: skip
def test_late_events_of_few_wait(service, name, late, waits):
    service = service(name)
    late(service)
    found = [states.state_now(service.setting, source, OCTOBER) for source in ("service_usage", "subscribers")]
    assert any(state.left for state in found) is waits
    assert {of for state in found for of in state.because} == ({f"{name} 2026-10 v1"} if waits else set())


def test_while_events_wait_the_same_is_built_and_the_officer_is_told(service):
    service = service("by-service")
    service.uses(["m0007"], 37)
    again = build(service.setting, "by-service", MONTH)
    assert again.request.figures[LATE] == 10, "how few they are is not told"
    result = gate(service.setting, again.id)
    assert result.opened, result.reasons
    out = read_package(service.setting.home.releases / "by-service" / MONTH / "v1" / "package")
    assert read_package(again.package).tables[0].frame.equals(out.tables[0].frame)
    assert "up to 10 persons wait: beside what is out" in review(service.setting, again.id)


def test_what_waits_comes_in_with_enough_others(service):
    service = service("by-service")
    service.uses(members("m", 4, 60))
    waiting = build(service.setting, "by-service", MONTH)
    assert service.states() == [(1, False), (2, True)]
    service.uses(members("n", 8, 60), name="later")
    assert build(service.setting, "by-service", MONTH).request.figures[LATE] == 0
    assert service.states() == [(1, False), (2, True), (3, False)]
    table = service.publish("by-service")["usage"]
    assert table.loc[table["service"] == "mail", "users"].tolist() == [120 + 12]
    closed = gate(service.setting, waiting.id)
    assert not closed.opened
    assert "build again" in closed.reasons[0]


def test_it_is_decided_once_for_all_releases_together(service):
    """What one release could tell, another could not: a new one reads what both do."""
    service = service("by-service")
    service.publish("by-age")
    service.uses(["m0007"], 37)
    held = build(service.setting, "by-age", MONTH)
    assert held.request.figures[LATE] == 10
    new = service.publish("service-usage")["usage"]
    grand = new[(new[["service", "status", "age_band"]] == "_T").all(axis=1)]
    assert grand["uses"].tolist() == [120 * 9]
    assert [number for number, _ in service.states()] == [1, 2]
    build(service.setting, "by-age", MONTH)
    assert [number for number, _ in service.states()] == [1, 2, 2], "decided again beside what came out, as it was"
    build(service.setting, "by-age", MONTH)
    assert len(service.states()) == 3, "and not again without cause"


def test_only_days_that_are_out_wait(service):
    """Two late persons of a day that is out; the rest of their file is of days that nothing has told of."""
    service = service()
    service.publish("of-a-day", "2026-10-15")
    others = [*members("m", 80), *members("n", 80)] * 2
    rows = [
        (datetime(2026, 10, 17, 10, second=n % 60, tzinfo=TOKYO), member, "mail") for n, member in enumerate(others)
    ]
    rows += [(datetime(2026, 10, 15, 10, tzinfo=TOKYO), member, "mail") for member in members("m", 2)]
    service.deliver(rows, day=17)
    candidate = build(service.setting, "by-day", MONTH)
    result = gate(service.setting, candidate.id)
    assert result.opened, result.reasons
    frame = read_package(candidate.package).tables[0].frame.set_index("day")["users"]
    assert (frame["2026-10-15"], frame["2026-10-17"]) == (120, 160)
    assert candidate.request.figures[LATE] == 10


@pytest.mark.parametrize(
    ("name", "late", "reason"),
    [
        ("by-service", lambda s: s.uses(["m0007"], 37), "apart by fewer persons than the minimum"),
        ("noisy", lambda s: s.uses(members("m", 9, 60)), "two versions of this noisy figure"),  # more than the noise
        ("noisy-uses", lambda s: s.uses(["m0007"], 370), "usage.uses, service=mail"),  # of the same persons
        ("filtered", lambda s: s.deliver(FIFTEEN_AND_ONE), "too few persons may have changed it"),
    ],
)
def test_the_gate_counts_by_itself(service, monkeypatch, name, late, reason):
    """Were everything in at once, the gate would close."""
    service = service(name)
    late(service)
    monkeypatch.setattr(states, "_told_by", lambda *_: ())
    late = gate(service.setting, build(service.setting, name, MONTH).id)
    assert not late.opened
    assert any(reason in told for told in late.reasons), late.reasons


@pytest.mark.parametrize(("in_twenties", "opened"), [(1, False), (5, True)])
def test_who_comes_alone_to_a_hidden_class_keeps_the_gate_closed(service, in_twenties, opened):
    """Ten in all come to classes that both versions hide: before the only one of them in his class, nine to another."""
    service = service()
    few = {"j": 3, "k": 4, "l": 12}
    service.subscribers([(m, BORN[m[0]]) for of in few for m in members(of, 20)], name="few.csv")
    service.uses([m for of, number in few.items() for m in members(of, number)], name="few")
    service.publish("ages")
    service.uses([*members("j", in_twenties, 3), *members("k", 10 - in_twenties, 4)])
    result = gate(service.setting, build(service.setting, "ages", MONTH).id)
    assert result.opened is opened, result.reasons
    by = "by the only one to change usage.users, age_band=20-29"
    assert opened or any(by in why for why in result.reasons), result.reasons


def test_a_release_that_is_declared_otherwise_now_lets_late_events_wait(service):
    service = service("by-age")
    service.uses(members("m", 15, 60))
    without = replace(service.setting.policies, releases={}, release_errors={})
    state = states.state_now(replace(service.setting, policies=without), "service_usage", OCTOBER)
    assert state.because == ("by-age 2026-10 v1",)


def test_events_that_are_gone_are_no_inputs(service):
    service = service()
    candidate = build(service.setting, "by-service", MONTH)
    next(service.setting.home.events.glob("source=service_usage/arrived=*/*.json")).unlink()
    with pytest.raises(IntegrityError, match="events of service_usage that a build of 2026-10 has read are gone"):
        review(service.setting, candidate.id)


def opted_out(service, number):
    """Let so many members choose who use mail alone, and so change no other service's figures."""
    people = [("member", member) for member in members("m", number)]
    add_optouts(service.setting.home, service.setting.ledger, people, namespaces=service.setting.policies.namespaces)


@pytest.mark.parametrize(("number", "opened"), [(1, False), (11, True)])
def test_persons_who_opted_out_after_a_version_leave_as_many_as_may_be_told_or_the_gate_closes(service, number, opened):
    service = service("by-service")
    opted_out(service, number)
    candidate = build(service.setting, "by-service", MONTH)
    assert candidate.request.figures[REMOVED] == (20 if opened else 10), "how few they are is not told"
    result = gate(service.setting, candidate.id)
    assert result.opened is opened, result.reasons
    told = f"Up to {20 if opened else 10} persons opted out since figures with them were published"
    assert not opened or told in review(service.setting, candidate.id)


def test_the_noisy_figures_that_one_who_opted_out_changes_close_the_gate(service):
    service = service("noisy")
    opted_out(service, 1)
    result = gate(service.setting, build(service.setting, "noisy", MONTH).id)
    assert not result.opened
    assert any("two versions of this noisy figure" in reason for reason in result.reasons), result.reasons


def test_days_that_are_out_are_beside_one_another_through_their_month(service):
    """Of a month less one day and another, the few uses of a third follow: the second knows of the first."""
    service = service()
    for day, users in ((14, members("m", 60)), (16, members("n", 60)), (17, members("m", 4, 60))):
        service.uses(users, 3, service="maps", day=day, name="maps")
    service.uses([*members("m", 60), *members("n", 60)], 3, service="news", day=17, name="news")
    service.publish("visits-of-a-day", "2026-10-14")
    month = service.publish("visits")["usage"].set_index("service")["user_days"]
    assert month["maps"] == 60 + 60 + 4
    candidate = build(service.setting, "visits-of-a-day", "2026-10-16")
    result = gate(service.setting, candidate.id)
    shown = read_package(candidate.package).tables[0].frame.set_index("service")["user_days"]
    assert not result.opened or shown.isna()["maps"], shown.to_string()


def test_who_used_mail_used_mail_or_news(service):
    """Nobody counted who changed the uses of both together, but they are at least who changed those of mail."""
    service = service("by-service")
    service.publish("bundle")
    comers = [(AT[n], f"{of}{n:04d}", used) for of in "mn" for n in range(12) for used in ("mail", "music")]
    service.deliver(comers)
    table = service.publish("by-service")["usage"].set_index("service")
    assert table.loc[["mail", "music"], "uses"].tolist() == [720 + 24, 24]


@pytest.mark.parametrize("told", [False, True])
def test_noisy_figures_of_two_states_are_solved_together(service, monkeypatch, told):
    """Spans of both states, with who changed; that both ends of the noise meet is rare, so what is found is said to be."""
    service = service("noisy")
    service.uses(members("m", 20, 60))
    asked, solve = [], against.pinned_between

    def solved(spans, truth, names, changed):
        asked.append((spans, names, changed))
        found = solve(spans, truth, names, changed)
        return (*found, Finding("noisy", "usage", "users", "service=mail", 1, 1, ("both",))) if told else found

    monkeypatch.setattr(against, "pinned_between", solved)
    result = gate(service.setting, build(service.setting, "noisy", MONTH).id)
    assert result.opened is not told, result.reasons
    ((spans, names, changed),) = asked
    assert {sheet.issue for sheet in spans.sheets} - names == {"noisy 2026-10 v1"}
    assert changed.persons[spans.noisy & (changed.apart == 20)].tolist() == [20] * 2, "mail, of one age and all"


@pytest.mark.long("attacks")
def test_noisy_totals_are_told_again_where_many_changed_them_beside_a_release_that_names_them_otherwise(
    service, tmp_path
):
    """Of a total that the candidate's declaration does not bound any contribution may be; nothing contradicts it."""
    service = service("noisy-uses")
    service.uses(members("m", 20, 10), 5)
    folder = shutil.copytree(service.setting.policies.folder, tmp_path / "policies")
    path = folder / "releases" / "noisy-uses.yaml"
    content = yaml.safe_load(path.read_text())
    content["tables"] = {"usage": TABLES["usage"] | {"measures": {"users": USERS, "times": USES}}}
    content |= {"release": "noisy-times", "protection": CELL_KEY | {"most_per_person": {"times": 900}}}
    path.with_name("noisy-times.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    setting = replace(service.setting, policies=load_policies(folder))
    result = gate(setting, build(setting, "noisy-times", MONTH).id)
    assert result.opened, result.reasons


@pytest.mark.long("attacks")
def test_of_a_corrected_log_another_population_is_no_contradiction(service):
    """The uses of mail and news together are of the corrected log, those of each of the one before: two states."""
    service = service("by-service")
    service.uses([*members("m", 15), *members("n", 15)], 2, service="mail")
    late = service.publish("bundle")["usage"].set_index("age_band")["uses"]
    assert late["_T"] == 1080 + 60
    assert service.publish("by-service")["usage"].set_index("service")["uses"]["mail"] == 720 + 60


def test_a_population_that_others_make_up_tells_nothing_of_one_who_opted_out(service):
    """All mail is out with her; news without her, and both together: less news, mail again, without her 46 uses."""
    service = service()
    service.uses(["m0000"], 40)
    service.publish("mail")
    opted_out(service, 1)
    service.publish("news")
    candidate = build(service.setting, "bundle", MONTH)
    result = gate(service.setting, candidate.id)
    assert not result.opened
    assert any("two versions" in reason for reason in result.reasons), result.reasons


@pytest.mark.long("attacks")
def test_beside_what_is_out_nothing_opens_once_its_events_are_gone(service):
    """Whoever is gone with them cannot be counted any more: how many that were is not known, and may be too few."""
    service = service("mail")
    for path in service.setting.home.events.glob("source=service_usage/arrived=2026-10-16/*"):
        path.unlink()
    result = gate(service.setting, build(service.setting, "bundle", MONTH).id)
    assert not result.opened
    assert any("events of service_usage that a build of 2026-10 has read are gone" in r for r in result.reasons)

"""Two months of a stock: nobody learns from what both tell that a few joined, left or moved; the gate counts itself."""

from __future__ import annotations

import contextlib
import csv
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from harness.homes import copied
from harness.houses import on_any_day

from anonymization.deidentify.notes import note_of
from anonymization.deidentify.taken import known_files
from anonymization.disclosure.proof import Proof
from anonymization.errors import StaleCandidate
from anonymization.home import Home
from anonymization.keys import load_private_key
from anonymization.policy.load import load_policies
from anonymization.policy.model import RequestKind
from anonymization.policy.requests import today
from anonymization.release import protect
from anonymization.release.choices import add_optouts
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.package import read_package
from anonymization.release.person_requests import Handler, Submitted, add_request, verify_request
from anonymization.release.setting import Setting
from anonymization.tables.methods import suppression
from anonymization.tables.model import FREE
from expectations.run import Outcome
from jobs.dossier import review
from jobs.person_requests import carry_out
from jobs.verbs.build import build
from jobs.verbs.erase import erase
from jobs.verbs.gate import gate
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import OFFICER, open_demo, release

BEFORE, MONTH = "2026-10", "2026-11"
POLICIES = Path(__file__).parents[2] / "policies"
HEADER = ["as_of", "member_id", "name", "kana", "birth_date", "postal_address", "phone", "email", "service"]
PLACES = ("東京都千代田区", "大阪府大阪市", "福岡県福岡市", "北海道札幌市")
BORN = ("1955-01-01", "1975-01-01", "1985-01-01", "1995-01-01")
CELL = 40
"""Persons of one prefecture and age band."""
N = 10


def everybody():
    """By id the cell of each: as many in every one."""
    cells = [(place, born) for place in range(len(PLACES)) for born in range(len(BORN))]
    return {f"m{n:05d}": cell for n, cell in enumerate(cell for cell in cells for _ in range(CELL))}


@dataclass(frozen=True)
class Months:
    """A home whose October is out: 640 subscribers, in four prefectures and four age bands."""

    setting: Setting

    def snapshot(self, people, day="2026-11-30", name="subscribers"):
        """Take in who subscribes, as of a day."""
        folder = self.setting.home.landing / "source=subscribers" / f"arrived={day}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(
                [day, m, "名", "メイ", BORN[born], f"{PLACES[place]}1-1", "", "", "mail"]
                for m, (place, born) in people.items()
            )
        home, policies = self.setting.home, self.setting.policies
        run = run_intake(home, policies, arrivals(home, policies), optouts=())
        assert not run.failures

    def built(self, month=MONTH):
        """Build a month and gate it."""
        candidate = build(self.setting, "stock", month)
        return candidate, gate(self.setting, candidate.id)

    def out(self, month=BEFORE):
        """What is out of a month."""
        return figures(self.setting.home.releases / "stock" / month / "v1" / "package")


def figures(package):
    """By cell the figure that is shown."""
    (table,) = read_package(package).tables
    shown = table.frame[table.frame["subscribers_status"] == FREE]
    cells = zip(shown["region"], shown["age_band"], strict=True)
    return dict(zip(cells, shown["subscribers"].astype(int), strict=True))


def of_few(before, after):
    """The cells in which the figures of two months tell of one to N - 1 persons."""
    return [cell for cell in before.keys() & after.keys() if 0 < abs(after[cell] - before[cell]) < N]


@pytest.fixture(scope="session")
def october(once):
    def make(folder):
        policies = on_any_day(Path(shutil.copytree(POLICIES, folder / "policies")))
        content = yaml.safe_load((policies / "releases" / "monthly-audience.yaml").read_text())
        table = content["tables"]["audience"]
        table |= {"dimensions": ["region", "age_band"], "measures": {"subscribers": table["measures"]["subscribers"]}}
        del content["pins"]
        del content["dimensions"]["service"]
        content |= {"release": "stock", "sources": ["subscribers"]}
        (policies / "releases" / "stock.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
        home = Home(folder / "home")
        open_demo(home)
        with contextlib.closing(Ledger.of(home)) as ledger:
            months = Months(Setting(home, load_policies(policies), ledger))
            months.snapshot(everybody(), "2026-10-31")
            release(months.setting, "stock", BEFORE)
        return home, policies

    return once("october", make)


@pytest.fixture
def months(october, tmp_path):
    home, policies = october
    place = copied(home, tmp_path / "home", landing=True)
    with contextlib.closing(Ledger.of(place)) as ledger:
        yield Months(Setting(place, load_policies(policies), ledger))


def test_the_gate_tells_that_it_looked_at_the_month_beside(months):
    months.snapshot(everybody())
    _, gated = months.built()
    (check,) = (check for suite in gated.results if "together" in suite.name for check in suite.checks)
    (table,) = read_package(months.setting.home.releases / "stock" / BEFORE / "v1" / "package").tables
    assert (check.outcome, check.checked) == (Outcome.PASSED, len(table.frame))


def test_what_was_gated_before_the_month_beside_came_out_is_stale(months, approve, publish_it):
    """Else neither of two months had been held against the other."""
    months.snapshot(everybody())
    months.snapshot(joined(everybody()), "2026-12-31")
    candidate, result = months.built("2026-12")
    assert result.opened, result.reasons
    approve(months.setting, candidate, key=load_private_key(months.setting.home.keys / f"{OFFICER}.key"))
    release(months.setting, "stock", MONTH)
    with pytest.raises(StaleCandidate, match="the publication of stock 2026-11 v1"):
        publish_it(months.setting, candidate)
    candidate, result = months.built("2026-12")
    assert result.opened, result.reasons
    assert not of_few(months.out(MONTH), figures(candidate.package))


def joined(people, number=1):
    return people | {f"m9{n:04d}": (0, 1) for n in range(number)}


def left(people):
    return {m: cell for m, cell in people.items() if m != "m00050"}


def moved(people):
    return people | {"m00050": (1, 1)}


def test_that_one_joined_is_told_by_no_figure(months):
    months.snapshot(joined(everybody()))
    candidate, result = months.built()
    after = figures(candidate.package)
    assert result.opened, result.reasons
    assert not of_few(months.out(), after)
    assert len(after) >= len(months.out()) / 2
    assert "lest two months tell of the few who joined, left or moved" in review(months.setting, candidate.id)


def test_that_one_moved_is_told_by_no_figure_a_month_later_either(months):
    """What November hides beside October, December may not show beside October."""
    months.snapshot(moved(everybody()))
    release(months.setting, "stock", MONTH)
    months.snapshot(moved(everybody()), "2026-12-31")
    candidate, result = months.built("2026-12")
    assert result.opened, result.reasons
    assert not of_few(months.out(), months.out(MONTH))
    december = figures(candidate.package)
    assert not of_few(months.out(), december)
    assert not of_few(months.out(MONTH), december)
    assert len(december) == len(months.out(MONTH))


def test_enough_who_came_are_told(months):
    months.snapshot(joined(everybody(), 12))
    candidate, result = months.built()
    assert result.opened, result.reasons
    assert figures(candidate.package)["13", "50-59"] == months.out()["13", "50-59"] + 12


@pytest.mark.parametrize(
    ("noted", "reason"),
    [(True, "fewer persons than the minimum joined, left or moved"), (False, "who joined, left or moved is not noted")],
)
def test_the_gate_counts_by_itself(months, monkeypatch, noted, reason):
    """Were all shown that one month alone may tell, the gate would close."""
    months.snapshot(moved(everybody()))
    if not noted:
        for path in months.setting.home.events.rglob("*.noted"):
            path.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(protect, "neighbours", lambda *_: ())
        candidate = build(months.setting, "stock", MONTH)
    assert of_few(months.out(), figures(candidate.package))
    result = gate(months.setting, candidate.id)
    assert not result.opened
    assert any(reason in told for told in result.reasons), result.reasons


def one_for_many(people):
    """In Tokyo one leaves, of an age at which nobody else does anything, and twelve join of another."""
    return joined({m: cell for m, cell in people.items() if m != "m00090"}, 12)


def test_what_is_hidden_must_not_follow(months, monkeypatch):
    """Were nothing hidden beside what would tell by itself, the gate would close."""

    def nothing_more(_, problem, unsafe, *_more):
        none, value = Proof.none(len(problem.value)), problem.value
        return suppression._Hidden(problem.hidden, unsafe, optimal=False, proof=none, figures=value)

    months.snapshot(one_for_many(everybody()))
    with monkeypatch.context() as patched:
        patched.setattr(suppression, "_solved", nothing_more)
        candidate = build(months.setting, "stock", MONTH)
    result = gate(months.setting, candidate.id)
    assert not result.opened
    assert any("shown beside stock 2026-10 v1" in told for told in result.reasons), result.reasons


def test_without_a_note_nothing_that_differs_is_told(months):
    months.snapshot(joined(everybody(), 12))
    for path in months.setting.home.events.rglob("*.noted"):
        path.unlink()
    candidate, _ = months.built()
    before, after = months.out(), figures(candidate.package)
    assert not [cell for cell in before.keys() & after.keys() if after[cell] != before[cell]]


def test_a_month_that_is_published_after_the_next_one_is_held_to_the_same(months):
    months.snapshot(left(everybody()), "2026-09-30")
    candidate, result = months.built("2026-09")
    assert result.opened, result.reasons
    assert not of_few(months.out(), figures(candidate.package))


def test_one_who_opted_out_in_between_has_left(months):
    setting = months.setting
    add_optouts(setting.home, setting.ledger, [("member", "m00050")], namespaces=setting.policies.namespaces)
    months.snapshot(everybody())
    candidate, result = months.built()
    assert result.opened, result.reasons
    assert not of_few(months.out(), figures(candidate.package))


def persons(paths):
    return {p for path in paths for p in pq.read_table(path, columns=["p"]).column("p").to_pylist()}


def test_no_two_months_pseudonyms_meet(months):
    months.snapshot(moved(joined(everybody())))
    events = months.setting.home.events / "source=subscribers"
    older, newer = (persons(events.glob(f"arrived={day}/*.parquet")) for day in ("2026-10-31", "2026-11-30"))
    noted = persons(events.glob("arrived=2026-11-30/*.before"))
    assert older.isdisjoint(newer)
    assert noted < newer, "of all but the one who joined"
    assert len(noted) == len(everybody())


def test_a_note_is_made_again_with_what_comes_late_of_the_month_before(months):
    months.snapshot(everybody())
    months.snapshot({"m88888": (0, 0)}, "2026-10-31", "late")
    months.snapshot(joined(everybody()), name="more")
    home = months.setting.home
    files = {taken.digest for _, taken in known_files(home, "subscribers") if taken.arrived == "2026-10-31"}
    notes = [note_of(home, one) for _, one in known_files(home, "subscribers") if one.arrived == "2026-11-30"]
    assert [note.files for note in notes] == [{"2026-11 2026-10": files}] * 2
    assert len(files) == 2


def test_a_note_goes_with_the_month_that_it_is_about(months):
    months.snapshot(everybody())
    home = months.setting.home
    assert erase(months.setting, date(2027, 12, 1), months=12).files["events"] == 2 + 2
    assert not [*home.events.rglob("*.noted"), *home.events.rglob("*.before")]
    assert [taken.arrived for _, taken in known_files(home, "subscribers")] == ["2026-11-30"]


@pytest.fixture
def delete(months, tmp_path):
    """Deletes a member at her request."""
    (scan := tmp_path / "scan.pdf").write_bytes(b"scan")

    def delete(member):
        setting, handler = months.setting, Handler("support-centre")
        given = Submitted(RequestKind.DELETION, [("member", member)], {"3-1": ("3-1", scan)}, today(setting.policies))
        number = add_request(setting, given, handler).number
        verify_request(setting, number, handler, identity="seen")
        carry_out(setting, number)

    return delete


@pytest.mark.long("attacks")
@pytest.mark.parametrize("counted", [True, False], ids=["counted before she went", "not counted"])
def test_one_who_was_deleted_has_left(months, delete, counted):
    """No row says so any more: the numbers do, or what does not come to what is out counts as of too few."""
    delete("m00050")
    if not counted:
        shutil.rmtree(months.setting.home.requests / "removed")
    months.snapshot(left(everybody()))
    candidate, result = months.built()
    assert result.opened, result.reasons
    assert not of_few(months.out(), figures(candidate.package))


def test_enough_who_came_are_told_beside_one_who_was_deleted(months, delete):
    """Without the numbers nothing of which she was a part would be told, the grand total neither."""
    delete("m00050")
    (kept,) = (months.setting.home.requests / "removed").rglob("*.json")
    assert kept.parent.name == "stock_2026-10_v1"
    assert "m00050" not in kept.read_text()
    months.snapshot(left(joined(everybody(), 12)))
    candidate, result = months.built()
    assert result.opened, result.reasons
    assert figures(candidate.package)["13", "50-59"] == months.out()["13", "50-59"] + 11
    shutil.rmtree(kept.parent)
    candidate, _ = months.built()
    assert not {("13", "50-59"), ("_T", "_T")} & set(figures(candidate.package))


def test_the_numbers_of_who_was_deleted_go_with_the_month(months, delete):
    delete("m00050")
    months.snapshot(left(everybody()))
    assert erase(months.setting, date(2027, 12, 1), months=12).files["requests"] == 1
    assert not [*(months.setting.home.requests / "removed").rglob("*.json")]

"""What is out already: what a candidate's recipient had before, and what changed since the last version and period."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anonymization.errors import IntegrityError
from anonymization.home import Home
from anonymization.policy.load import Policies
from anonymization.release.delivered import whole_copy
from anonymization.release.ledger.ledger import EntryKind, Publication
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from anonymization.tables.headlines import Margin, headline_rows
from anonymization.tables.model import FREE, TOTAL, SafeTable
from jobs.dossier.facts import Facts
from jobs.dossier.labels import cell_of


@dataclass(frozen=True)
class Out:
    """A version that is out.

    Attributes:
        to: the recipient's name in the policy folder; empty where it is not known.
        recipient: the recipient's title, or why it is not known.
        first_day: of its period, by number.
        time: when it was published.
    """

    publication: Publication
    title: str
    to: str
    recipient: str
    first_day: int
    time: str
    withdrawn: bool


@dataclass(frozen=True)
class Change:
    """A figure that is published in both of two."""

    measure: str
    cell: str
    before: int
    now: int

    @property
    def percent(self) -> str:
        """By how much of what it was it changed."""
        if self.now == self.before:
            return "unchanged"
        return f"{(self.now - self.before) / self.before:+.1%}" if self.before else "was 0"


@dataclass(frozen=True)
class Compared:
    """A candidate beside what is out.

    Attributes:
        since: what it is compared with: `the last version` or `the last period`.
        name: of that.
        totals: grand totals.
        headlines: the other headlines.
        why_not: why there is nothing to compare, if so.
    """

    since: str
    name: str
    totals: tuple[Change, ...] = ()
    headlines: tuple[Change, ...] = ()
    why_not: str = ""


@dataclass(frozen=True)
class History:
    """What is out.

    Attributes:
        out: every version, oldest first.
        had: those of the candidate's recipient, newest first.
        compared: with the last version, and with the last period.
    """

    out: tuple[Out, ...]
    had: tuple[Out, ...]
    compared: tuple[Compared, ...]

    def recipient_of(self, name: str) -> str:
        """To whom what is called so went."""
        return next((one.recipient for one in self.out if str(one.publication) == name), "")


def history(setting: Setting, facts: Facts) -> History:
    """Return what is out, as a candidate's officer wants to know it."""
    out = tuple(_out(setting))
    request = facts.candidate.request
    others = [one for one in out if one.publication.candidate != request.candidate]
    had = tuple(one for one in others[::-1] if one.to == request.recipient)
    same = [one for one in others if one.publication.release == request.release]
    version = [one for one in same if one.publication.period == request.period]
    period = [one for one in same if one.first_day < request.first_day]
    compared = (
        _compared(setting.home, facts, "the last version", version[-1:]),
        _compared(setting.home, facts, "the last period", sorted(period, key=lambda one: one.first_day)[-1:]),
    )
    return History(out, had, compared)


def _out(setting: Setting) -> Iterator[Out]:
    """Every version that is out, in the ledger's order."""
    with setting.ledger.transaction() as transaction:
        entries = transaction.entries(kind=EntryKind.PUBLICATION)
        withdrawn = {entry.subject for entry in transaction.entries(kind=EntryKind.WITHDRAWAL)}
        requests = {entry.subject: entry.payload for entry in transaction.entries(kind=EntryKind.REQUEST)}
    for entry in entries:
        publication = Publication.of(entry)
        recorded = str(requests.get(entry.subject, {}).get("request_sha256", ""))
        to, recipient = _recipient(setting.home, setting.policies, publication.candidate, recorded)
        declared = setting.policies.releases.get(publication.release)
        title = declared.title.en if declared is not None else publication.release
        first = int(entry.payload["first_day"])
        yield Out(publication, title, to, recipient, first, entry.time, entry.subject in withdrawn)


def _recipient(home: Home, policies: Policies, candidate: str, recorded: str) -> tuple[str, str]:
    """The name and title of whom a candidate was for, by its request as the ledger recorded it."""
    try:
        text = (home.candidates / candidate / "evidence" / "request.json").read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return "", "unknown: its request is gone"
    if hashlib.sha256(text.encode()).hexdigest() != recorded:
        return "", "unknown: its request is not what was recorded"
    name = str(json.loads(text)["recipient"])
    return name, policies.recipients[name].title.en if name in policies.recipients else name


def _compared(home: Home, facts: Facts, since: str, which: Sequence[Out]) -> Compared:
    if not which:
        return Compared(since, "", why_not="there is none")
    publication = which[-1].publication
    try:
        before = {table.name: table for table in read_package(whole_copy(home, publication)).tables}
    except IntegrityError as error:
        return Compared(since, str(publication), why_not=str(error))
    changes = []
    for table in facts.package.tables:
        margins = next((one.headlines for one in facts.plan.tables if one.name == table.name), frozenset[Margin]())
        if table.name in before and before[table.name].keys == table.keys:
            changes += list(_changes(before[table.name], table, margins))
    totals, headlines = (tuple(c for grand, c in changes if grand is wanted) for wanted in (True, False))
    return Compared(since, str(publication), totals, headlines, "" if changes else "no headline is published in both")


def _changes(before: SafeTable, now: SafeTable, margins: frozenset[Margin]) -> Iterator[tuple[bool, Change]]:
    """Headlines that are published in both, and whether each is a grand total."""
    keys = now.keys
    mine = now.frame[headline_rows(now.frame, keys, margins | {Margin()})]
    both = mine.merge(before.frame, on=keys, suffixes=("", "_before"))
    for measure in now.measures:
        names = [f"{measure.name}_status", f"{measure.name}_status_before"]
        if not set(names) <= set(both.columns):
            continue
        shown = both[(both[names] == FREE).all(axis=1)]
        figures = zip(shown[f"{measure.name}_before"], shown[measure.name], strict=True)
        for codes, (old, new) in zip(shown[keys].to_numpy(), figures, strict=True):
            grand = all(code == TOTAL for code in codes)
            yield grand, Change(measure.title["en"], cell_of(now, codes), int(old), int(new))

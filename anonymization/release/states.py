"""States: which events of a source and month builds read, numbered, decided once for all releases together.

Late events of fewer than N persons cannot be published: the difference of two versions would be theirs. They wait, all
that came or none, until everything that is out could have a next version that tells of nobody; till then every build
reads what is out, of new releases too. What is decided stands in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from anonymization.deidentify.taken import Taken
from anonymization.errors import GateRefusal, NorenError, Refusal
from anonymization.policy.in_force import Barred
from anonymization.policy.periods import Period, parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.release.candidate import Request, load_candidate
from anonymization.release.changed import changers, counted_changes, next_version, only_more, rows_of_few
from anonymization.release.delivered import whole_copy
from anonymization.release.inputs import (
    Days,
    Inputs,
    days_of,
    files_of_period,
    find_inputs,
    inputs_again,
    now_read,
    read_of,
)
from anonymization.release.issues import issue_of
from anonymization.release.ledger.ledger import Entry, EntryKind, Publication, Transaction
from anonymization.release.package import read_package
from anonymization.release.rewritten import as_now, rewritten
from anonymization.release.setting import Setting
from anonymization.tables.audit.corrections import differences
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import link
from anonymization.tables.audit.two_states import totals_of_few
from anonymization.tables.method import method_of
from anonymization.tables.model import FREE
from anonymization.tables.plan import resolve

Left = Mapping[str, Days]
NONE_BARRED: Mapping[str, Barred] = MappingProxyType({})
WAITING = "persons whose late events wait, at most"
"""The name of that figure in a request."""


@dataclass(frozen=True)
class State:
    """Which events of a source and month are in.

    Attributes:
        number: 1, 2 and so on; 0 before anything was decided.
        files: the digests of all log files that were known.
        left: by digest the days of a log file whose events wait.
        because: the versions that they would change by too few persons.
        entry: the number of the ledger's entry that holds the decision.
    """

    number: int = 0
    files: frozenset[str] = frozenset()
    left: Left = field(default_factory=dict)
    because: tuple[str, ...] = ()
    entry: int = 0


@dataclass(frozen=True)
class _Out:
    """A publication, and what it was built of."""

    told: str
    entry: int
    request: Request
    package: Path


def inputs_of(
    setting: Setting,
    sources: Sequence[str],
    period: Period,
    *,
    judging: str | None = None,
    barred: Mapping[str, Barred] = NONE_BARRED,
) -> Inputs:
    """Return what builds of a period read now: of each source its state, which is decided here if something came since.

    Args:
        setting: the home.
        sources: what is read.
        period: the days, of one month.
        judging: a log of links that is read beside (`Plan.judging`).
        barred: by source the days that the policy does not allow to be used (`Plan.barred`).

    Raises:
        Refusal: the logs of the period were erased, or the policy allows no day of a source.
        InputError: a source has no event in the period.
    """
    kept_from = setting.kept_from
    if kept_from is not None and period.first_date < kept_from:
        raise Refusal(f"the logs from before {kept_from} were erased: nothing about {period.name} can be made of them")
    found = find_inputs(setting.home, setting.policies, sources, period, judging=judging)
    states = {source: state_now(setting, source, period) for source in found.taken}
    read = found.without({source: state.left for source, state in states.items()})
    return replace(read.allowed(barred), states={source: state.number for source, state in states.items()})


def waiting(setting: Setting, inputs: Inputs, period: Period) -> Inputs:
    """Return the events of the period that wait: those which builds do not read, though the policy allows it."""
    every = find_inputs(setting.home, setting.policies, list(inputs.taken), period)
    read = {
        source: {one.digest: days_of(one, period) - inputs.days_left(source, one.digest) for one in taken}
        for source, taken in inputs.taken.items()
    }
    others = {
        source: {one.digest: read[source].get(one.digest, Days()) | inputs.barred.get(source, Days()) for one in taken}
        for source, taken in every.taken.items()
    }
    return every.without(others)


def state_now(setting: Setting, source: str, period: Period) -> State:
    """Return the state of a source and of the month of a period; it is decided and recorded if something came since."""
    month = parse_period(PeriodKind.MONTH, f"{period.first_date:%Y-%m}")
    while True:
        known = [taken for _, taken in files_of_period(setting.home, source, month)]
        with setting.ledger.transaction() as transaction:
            last = recorded(transaction, source, month.name)
            changed = rewritten(transaction)
            publications = [e for e in transaction.entries(kind=EntryKind.PUBLICATION) if _reads(e, source, month)]
        newest = max((entry.seq for entry in publications), default=0)
        if last.number and {one.digest for one in known} <= last.files and newest < last.entry:
            return last
        out = [_as_now(_out(setting, entry), changed) for entry in publications]
        state = _decided(setting, source, month, known, out, last)
        if last.number and (state.files, state.left) == (last.files, last.left) and not state.left:
            return last
        with setting.ledger.transaction() as transaction:
            if recorded(transaction, source, month.name).entry == last.entry:
                return _record(transaction, source, month.name, last, state)


def recorded(transaction: Transaction, source: str, month: str) -> State:
    """Return the last state that the ledger has of a source and month; a file that was changed since is the same."""
    state, changed = State(), rewritten(transaction)
    for entry in transaction.entries(kind=EntryKind.STATE, subject=_subject(source, month)):
        files = state.files | as_now(entry.payload["came"], changed)
        left = {changed.get(digest, digest): Days(days) for digest, days in entry.payload["left"].items()}
        state = State(entry.payload["number"], files, left, tuple(entry.payload["because"]), entry.seq)
    return state


def _record(transaction: Transaction, source: str, month: str, last: State, state: State) -> State:
    """Append a state; one that is decided again as it was keeps its number."""
    number = last.number + ((state.files, state.left) != (last.files, last.left) or not last.number)
    content = {
        "number": number, "came": sorted(state.files - last.files), "because": list(state.because),
        "left": {digest: sorted(days) for digest, days in sorted(state.left.items())},
    }  # fmt: skip
    entry = transaction.append(EntryKind.STATE, _subject(source, month), content)
    return State(number, state.files, state.left, state.because, entry.seq)


def _subject(source: str, month: str) -> str:
    return f"{source} {month}"


def _reads(entry: Entry, source: str, month: Period) -> bool:
    payload = entry.payload
    return source in payload["sources"] and payload["first_day"] < month.past and month.first < payload["past_day"]


def _out(setting: Setting, entry: Entry) -> _Out:
    publication = Publication.of(entry)
    folder = whole_copy(setting.home, publication)
    request = load_candidate(setting.home, setting.ledger, entry.subject).request
    return _Out(str(publication), entry.seq, request, folder)


def _as_now(out: _Out, changed: Mapping[str, str]) -> _Out:
    """A publication as if it were built of what is there now in the place of contents that requests have changed."""
    inputs = {source: now_read(texts, changed) for source, texts in out.request.inputs.items()}
    return replace(out, request=replace(out.request, inputs=inputs))


def _decided(
    setting: Setting, source: str, month: Period, known: Sequence[Taken], out: Sequence[_Out], last: State
) -> State:
    """All late events are in if everything that is out could be told anew with them; else all of them wait."""
    files = last.files | {one.digest for one in known}
    left = _late(known, source, month, [one.request for one in out])
    if not left:
        return State(files=files)
    days = Days().union(*left.values())
    beside = [one for one in out if not days.isdisjoint(range(one.request.first_day, one.request.past_day))]
    because = _told_by(setting, source, [one for one in beside if not method_of(one.request.method).drawn])
    return State(files=files, left=left if because else {}, because=because)


def _late(known: Iterable[Taken], source: str, month: Period, out: Sequence[Request]) -> dict[str, Days]:
    """By digest the days of a log file that something which is out covers without it, and nothing with it."""
    found = {}
    for one in known:
        with_it, without = Days(), Days()
        for request in out:
            days = days_of(one, month) & set(range(request.first_day, request.past_day))
            days -= set(request.barred.get(source, {}).get("days", ()))  # these come in no version of it
            not_read = read_of(request.inputs.get(source, ())).get(one.digest, days)
            with_it, without = with_it | (days - not_read), without | (days & not_read)
        if without - with_it:
            found[one.digest] = without - with_it
    return found


def _told_by(setting: Setting, source: str, out: Sequence[_Out]) -> tuple[str, ...]:
    """Return the publications that would tell of too few persons, if each had a next version with all events.

    That is tried as if it showed the figures of the same cells: each may change by nobody or by enough persons, and so
    may whatever follows of all publications together. What cannot be counted counts as too few: a release that is not
    declared any more as it was.
    """
    few, newest = [], {}
    for one in out:  # in order of publication
        changes = _changes(setting, source, one)
        if changes is None or changes.few:
            few.append(one.told)
        elif changes.exact:
            newest[one.request.release, one.request.period] = changes
    if few or not newest:
        return tuple(few)
    now = [changes.issue for changes in newest.values()]
    after = [next_version(changes.issue, changes.counted) for changes in newest.values()]
    linked = link([*now, *after])
    counted = {changes.issue.name: changes.counted for changes in newest.values()}
    more = all(changes.only_more for changes in newest.values())
    try:
        of_totals = totals_of_few(linked, set(counted), changers(linked, counted), only_more=more)
        found = [*differences(now, after), *of_totals]
    except GateRefusal:
        return tuple(counted)
    return tuple(dict.fromkeys(finding.release for finding in found))


@dataclass(frozen=True)
class _Changes:
    """Who would change a publication.

    Attributes:
        issue: the publication.
        counted: who changed, class by class.
        few: whether a figure that is shown, or noisy, would change by too few persons.
        exact: whether all its figures are exact, and what a next version would show is known.
        only_more: whether nobody would contribute less to anything.
    """

    issue: Issue
    counted: pd.DataFrame
    few: bool
    exact: bool
    only_more: bool


def _changes(setting: Setting, source: str, out: _Out) -> _Changes | None:
    """Count who would change a publication; None if that cannot be counted."""
    try:
        release = setting.policies.release(out.request.release)
        period = parse_period(release.period, out.request.period)
        plan = resolve(setting.policies, release, period, expected=out.request.expected_persons)
        before = inputs_again(setting.home, setting.policies, out.request.inputs, period, out.request.choices)
        package = read_package(out.package)
        after = _proposed(setting, source, before, period).allowed(plan.barred)
        counted = counted_changes(setting, plan, before, after, package.tables)
    except (NorenError, KeyError):
        return None
    noisy = method_of(plan.method).record_keys
    few = False
    for table in package.tables:
        for measure in table.measures:
            shown = (table.frame[f"{measure.name}_status"] == FREE).to_numpy()
            few |= bool((rows_of_few(plan, table, measure, counted) & (shown | noisy)).any())
    merged = any(dimension.merged for table in package.tables for dimension in table.dimensions)
    exact = not noisy and not merged
    more = only_more(setting, plan, before, after, counted)
    return _Changes(issue_of(package, out.told), counted, few, exact, more)


def _proposed(setting: Setting, source: str, before: Inputs, period: Period) -> Inputs:
    """Return what a next version would read with all events of a source, and of the others what builds read."""
    found = find_inputs(setting.home, setting.policies, list(before.taken), period)
    left: dict[str, Left] = {}
    for other, taken in found.taken.items():
        if other == source:
            continue
        read = {one.digest: before.days_left(other, one.digest) for one in before.taken[other]}
        with setting.ledger.transaction() as transaction:
            state = recorded(transaction, other, f"{period.first_date:%Y-%m}")
        left[other] = {
            one.digest: state.left.get(one.digest, Days())
            if one.digest in state.files
            else read.get(one.digest, days_of(one, period))
            for one in taken
        }
    return found.without(left)

"""Carries out people's requests that were verified: discloses, corrects, leaves out, deletes; then they are completed.

Whoever is unknown is looked for like anybody else, and answered with the same words. A run that was ended at any moment
is taken up by the next one: the ledger says what is done before it is, and what was done is found done.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from anonymization.deidentify.arrivals import Arrival
from anonymization.deidentify.delivered import content_digest
from anonymization.deidentify.edited import Edit, edited
from anonymization.deidentify.intake import forget
from anonymization.deidentify.kept import (
    holding,
    pseudonyms_of,
    rewritten_digest,
    take_out_rejected,
    write_without,
)
from anonymization.deidentify.taken import logs_held, taken_of, wipe_copies
from anonymization.deidentify.whose import Whose
from anonymization.engine import open_engine
from anonymization.errors import InputError, IntegrityError, Refusal, SourceError
from anonymization.files import locked, private_stream, sweep, sync
from anonymization.keys import PeriodKeys
from anonymization.policy.model import RequestKind
from anonymization.policy.requests import CHANGING, LEAVING, RequestState, require_next
from anonymization.policy.sources import Source
from anonymization.release.choices import add_optouts, optouts
from anonymization.release.disclosure import disclosure_of, write_disclosure
from anonymization.release.person_links import linked_ids, linked_of, searched
from anonymization.release.person_papers import cover_linked, papers_of
from anonymization.release.person_requests import (
    Handler,
    PersonRequest,
    answer_request,
    record_step,
    request_of,
    requests_of,
    subject_of,
)
from anonymization.release.removed import record_removed
from anonymization.release.rewritten import FILES, Rewritten, rewritten_by
from anonymization.release.setting import Setting
from jobs.taking import arrivals, run_intake

PATIENCE = 60.0
"""Seconds that an intake may take to end."""
Result = TypeVar("Result")
Step: TypeAlias = Callable[[str], None]
"""Called before each step; tests make it fail."""


@dataclass(frozen=True)
class CarriedOut:
    """A request that was carried out, and the folder of what was disclosed, if that was asked for."""

    request: PersonRequest
    disclosed: Path | None = None


def verified(setting: Setting) -> list[int]:
    """Return the numbers of the requests that wait to be carried out."""
    with setting.ledger.transaction() as transaction:
        requests = requests_of(transaction, setting.policies)
    return [one.number for one in requests if one.state is RequestState.VERIFIED]


def carry_out(setting: Setting, number: int, handler: Handler | None = None, step: Step = lambda _: None) -> CarriedOut:
    """Carry out a request that was verified, and complete it.

    Args:
        setting: the home.
        number: of the request.
        handler: who does it, and reads what is disclosed; by default whoever has verified it.
        step: for tests.

    Raises:
        InputError: no such request, or raw logs cannot be read: nothing was changed.
        Refusal: it is not verified; or logs are being taken in, or the ledger does not know the policy folder.
    """
    with locked(setting.home.temporary / "requests.lock"):
        with setting.ledger.transaction() as transaction:
            one = request_of(transaction, setting.policies, number)
            require_next(number, one.state, RequestState.COMPLETED)
        setting.require_known_policies()
        by = handler or Handler(one.handler)
        with logs_held(setting.home, alone=True, patience=PATIENCE) as held:
            if not held:
                raise Refusal(f"logs are being taken in: request {number} waits; complete it when that has ended")
            files = arrivals(setting.home, setting.policies)
            disclosed = _disclosed(setting, number, by, files, step) if one.kind is RequestKind.DISCLOSURE else None
            if one.kind in LEAVING:
                _left_out(setting, one, files, step)
            if one.kind in (*CHANGING, RequestKind.DELETION):
                _Rewriting(setting, one, by, step).run(files)
        step("complete")
        return CarriedOut(answer_request(setting, number, by, RequestState.COMPLETED), disclosed)


def _disclosed(setting: Setting, number: int, handler: Handler, files: Sequence[Arrival], step: Step) -> Path:
    found = _readable(lambda: disclosure_of(setting, number, files))
    with setting.ledger.transaction() as transaction:  # who reads it, before there is anything to be read
        record_step(transaction, number, handler, {"disclosed": True})
    step("disclose")
    return write_disclosure(setting, number, found)


def _left_out(setting: Setting, one: PersonRequest, files: Sequence[Arrival], step: Step) -> None:
    """Nothing is made of the person from now on; of whoever is deleted nothing will tell which ids were linked."""
    papers = papers_of(setting.home, one.number)
    if one.kind is RequestKind.DELETION:
        found = _readable(lambda: linked_ids(setting.policies, files, papers.people, alone=False))
        papers = cover_linked(setting.home, one.number, sorted(found))
    step("leave out")
    add_optouts(setting.home, setting.ledger, papers.everybody, namespaces=setting.policies.namespaces)


def _readable(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except SourceError as error:
        raise InputError(f"a raw log cannot be read, and whose it is not known: {error}; mend or remove it") from None


class _Rewriting:
    """Raw logs without a person's rows, or with another value in them, and what was made of these logs."""

    def __init__(self, setting: Setting, one: PersonRequest, handler: Handler, step: Step) -> None:
        papers = papers_of(setting.home, one.number)
        change = papers.change
        self._setting, self._home, self._number = setting, setting.home, one.number
        self._handler, self._step, self._people = handler, step, papers.everybody
        self._namespaces = searched(setting.policies, papers.people)
        self._only = None if change is None else change.source
        missing = one.kind is RequestKind.ADDITION
        self._edit = Edit() if change is None else Edit(change.column, change.value, missing=missing)

    def run(self, files: Sequence[Arrival]) -> None:
        """Do it; what an ended run has done already is found done."""
        wipe_copies(self._home, held=True)
        concerned = [file for file in files if self._only in (None, file.source.source)]
        for file, after in _readable(lambda: self._announced(concerned)):
            self._step("rewrite")
            self._rewrite(file, after)
        self._take_in()
        if self._only is None:
            self._take_out_of_the_rest()
        self._remove_rows_for_inside()

    def _whose(self, source: Source) -> Whose:
        policies = self._setting.policies
        linked = linked_of(policies, source.source)
        return Whose(source, linked, policies.spellings, self._people, alone=False, searched=self._namespaces)

    def _announced(self, files: Iterable[Arrival]) -> list[tuple[Arrival, str]]:
        """The files to rewrite, and their digests afterwards; the ledger's entry on them comes first."""
        wanted, told = [], []
        for file in files:
            sweep(file.path)
            if (made := edited(file.path, file.source, self._whose(file.source), self._edit)) is not None:
                source, before = file.source.source, content_digest(file.path)
                wanted.append((file, made.digest))
                told.append(Rewritten(source, before, made.digest, bool(taken_of(self._home, source, before))))
        if self._only is None and told:
            self._step("count")
            record_removed(self._setting, self._number, self._pseudonyms(), {one.before for one in told})
        self._announce(told)
        return wanted

    def _announce(self, told: Iterable[Rewritten]) -> None:
        self._step("announce")
        with self._setting.ledger.transaction() as transaction:
            known = {one[:3] for one in rewritten_by(transaction, subject=subject_of(self._number))}
            if new := [one for one in dict.fromkeys(told) if one[:3] not in known]:
                record_step(transaction, self._number, self._handler, {FILES: [list(one) for one in new]})

    def _rewrite(self, file: Arrival, after: str) -> None:
        if not after:  # no record is left
            file.path.unlink()
            sync(file.path.parent)
            return
        with private_stream(file.path) as target:
            made = edited(file.path, file.source, self._whose(file.source), self._edit, target)
            if made is None or made.digest != after:
                raise IntegrityError(f"{file.name} was changed by another hand meanwhile; complete the request again")

    def _done(self) -> list[Rewritten]:
        with self._setting.ledger.transaction() as transaction:
            return rewritten_by(transaction, subject=subject_of(self._number))

    def _take_in(self) -> None:
        """Take in what was rewritten, in the place of what had been taken in; what was made of that goes last."""
        done, now = [one for one in self._done() if one.taken], self._setting.rewritten
        sources = {one.source for one in done}
        there: dict[tuple[str, str], list[Arrival]] = {}
        for file in arrivals(self._home, self._setting.policies):
            if file.source.source in sources:
                there.setdefault((file.source.source, content_digest(file.path)), []).append(file)
        files = {}
        for one in done:
            again = there.get((one.source, one.after), [])
            if again and not taken_of(self._home, one.source, one.after):
                former = {(taken.arrived, taken.named) for _, taken in taken_of(self._home, one.source, one.before)}
                own = [file for file in again if (file.arrived.isoformat(), file.named(self._home)) in former]
                files[one.source, one.after] = (own or again)[0]
        self._step("take in")
        run = run_intake(
            self._home, self._setting.policies, list(files.values()), optouts=optouts(self._home),
            kept_from=self._setting.kept_from, replacing=True, rewritten=now, held=True,
        )  # fmt: skip
        if run.failures:
            raise InputError("; ".join(f"{name}: {why}" for name, why in run.failures))
        self._step("forget")
        for one in done:
            if one.before in now:
                forget(self._home, one.source, one.before)

    def _take_out_of_the_rest(self) -> None:
        """Take a person's rows out of events and rejected lines whose raw logs are not there any more."""
        home, policies, pseudonyms = self._home, self._setting.policies, self._pseudonyms()
        for paths, taken in holding(home, pseudonyms):
            digest = rewritten_digest(taken.digest, self._number)
            self._announce([Rewritten(taken.source, taken.digest, digest, taken=True)])
            self._step("events")
            write_without(home, paths, taken, pseudonyms, digest)
            self._step("forget events")
            forget(home, taken.source, taken.digest)
        for name, source in policies.sources.items():
            for folder in sorted(home.quarantine.glob(f"source={name}/arrived=*")):
                take_out_rejected(home, folder, self._whose(source))

    def _pseudonyms(self) -> list[int]:
        home, policies = self._home, self._setting.policies
        with open_engine("duckdb", temporary=home.temporary, folders=[home.events]) as engine:
            return pseudonyms_of(engine, PeriodKeys(home), self._people, policies.spellings)

    def _remove_rows_for_inside(self) -> None:
        """Remove k-anonymous rows that were made of what was rewritten: they are made again without the person."""
        self._step("rows for inside")
        sources = {one.source for one in self._done()}
        for folder in sorted(self._home.microdata.glob("*/*")):
            declared = self._setting.policies.microdata.get(folder.parent.name)
            if declared is None or sources & {*declared.sources}:
                shutil.rmtree(folder)

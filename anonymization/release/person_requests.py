"""People's requests as they are recorded: papers and ids in the identified zone, what became of each in the ledger.

The ledger holds a request's number and kind, who handled it, dates and the digests of what was submitted; no id, no
reference and no value. What it says last is the request's state.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from anonymization.errors import InputError, Refusal
from anonymization.policy.load import Policies
from anonymization.policy.model import RequestKind
from anonymization.policy.requests import (
    ANSWERED,
    CHANGING,
    OPEN,
    RequestState,
    due,
    kept_until,
    require_documents,
    require_next,
    today,
)
from anonymization.release.choices import Person, spelt_person
from anonymization.release.ledger.ledger import Entry, EntryKind, Transaction
from anonymization.release.person_changes import require_change
from anonymization.release.person_papers import (
    DISCLOSED,
    Change,
    Papers,
    folder_of,
    papers_of,
    remove_papers,
    store_documents,
    write_papers,
)
from anonymization.release.rewritten import rewritten_by
from anonymization.release.setting import Setting

_SUBJECT = "request "


@dataclass(frozen=True)
class PersonRequest:
    """A request, as the ledger has it.

    Attributes:
        by: `person` or `proxy`.
        received: the day on which it came.
        handler: who has verified it last, or taken it in.
        answered: the day on which it was completed, rejected or withdrawn.
        due: the day by which it is to be answered; None if it was, or where the house has no rule.
    """

    number: int
    kind: RequestKind
    state: RequestState
    by: str
    received: date
    handler: str
    answered: date | None = None
    due: date | None = None

    def __str__(self) -> str:
        """What is told of it: nothing of the person."""
        told = f"request {self.number}: {self.kind}, {self.state}, by {self.by}, received {self.received}"
        told += f", answered {self.answered}" if self.answered else ""
        return told + (f", due {self.due}" if self.due else "") + f", handler {self.handler}"

    def told_on(self, day: date) -> str:
        """What is told of it on a day: whether it is overdue, too."""
        return f"{self}{', OVERDUE' if self.due is not None and self.due < day else ''}"


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return str(os.getuid())


@dataclass(frozen=True)
class Handler:
    """Who acts on a request: the name that they give, and the account of this machine that they act as."""

    name: str
    account: str = field(default_factory=_account)


@dataclass(frozen=True)
class Submitted:
    """A request as it is submitted.

    Attributes:
        documents: by form or annex: the handler's reference, and the file with the scan.
    """

    kind: RequestKind
    people: Sequence[Person]
    documents: Mapping[str, tuple[str, Path]]
    received: date
    proxy: bool = False
    change: Change | None = None


def add_request(setting: Setting, submitted: Submitted, handler: Handler) -> PersonRequest:
    """Record a request; who it is about is looked for nowhere.

    What was submitted is stored before the ledger's entry: without one there is no request, and what was stored for it
    is replaced by the next.

    Raises:
        InputError: nobody is named, or somebody whom no log can hold; a document is missing, cannot be read, or does
            not belong to it; it is of a day to come; it says a change where there is none, or none where there is one;
            or the same request is open.
    """
    policies, kind = setting.policies, submitted.kind
    if not submitted.people:
        raise InputError("no person is named; give --id NAMESPACE ID, as often as the person has ids")
    people = tuple(dict.fromkeys(spelt_person(one, policies.namespaces) for one in submitted.people))
    if submitted.received > (day := today(policies)):
        raise InputError(f"--received {submitted.received}: a day to come; today is {day}")
    require_documents(kind, policies.policy.requests[kind], submitted.documents, proxy=submitted.proxy)
    if (submitted.change is not None) != (kind in CHANGING):
        raise InputError("--source, --column and --value are of a correction or an addition, and of no other request")
    if submitted.change is not None:
        require_change(policies, submitted.change, people)
    with setting.ledger.transaction() as transaction:
        known = requests_of(transaction, policies)
        for one in known:
            same = one.kind is kind and one.state in OPEN
            if same and not set(papers_of(setting.home, one.number).people).isdisjoint(people):
                raise InputError(f"the same request is open: request {one.number}, {one.state}; nothing was recorded")
        number = max((one.number for one in known), default=0) + 1
        documents = store_documents(setting.home, number, submitted.documents)
        write_papers(setting.home, number, Papers(people, documents, change=submitted.change))
        content = {
            "kind": kind.value, "by": "proxy" if submitted.proxy else "person",
            "received": submitted.received.isoformat(),
            "documents": {name: one.sha256 for name, one in documents.items()},
        }  # fmt: skip
        _append(transaction, number, RequestState.RECEIVED, handler, content)
        return request_of(transaction, policies, number)


def verify_request(
    setting: Setting, number: int, handler: Handler, *, identity: str, fee: str | None = None
) -> PersonRequest:
    """Record that whoever makes a request was checked to be who they say, and that the fee is paid if one is charged.

    Raises:
        InputError: no check is referred to, or no fee where one is charged, or one where none is.
        Refusal: the request was verified before, or answered.
    """
    if not identity.strip():
        raise InputError("--identity refers to the check of who makes the request; it is empty")
    with setting.ledger.transaction() as transaction:
        one = _going_on(transaction, setting.policies, number, RequestState.VERIFIED)
        charged = setting.policies.policy.requests[one.kind].fee
        if charged != bool(fee):
            raise InputError(
                f"a fee is charged for {one.kind}: --fee refers to its payment"
                if charged
                else f"no fee is charged for {one.kind}"
            )
        write_papers(setting.home, number, replace(papers_of(setting.home, number), identity=identity, fee=fee or ""))
        _append(transaction, number, RequestState.VERIFIED, handler, {"fee": charged})
        return request_of(transaction, setting.policies, number)


def answer_request(
    setting: Setting, number: int, handler: Handler, outcome: RequestState, *, reason: str = ""
) -> PersonRequest:
    """Record that a request was completed, rejected for a reason, or withdrawn by the person.

    The reason stays inside; the ledger has a salted digest of it.

    Raises:
        InputError: a rejection without a reason.
        Refusal: the request may not become so, or was begun and is to be completed.
    """
    if outcome is RequestState.REJECTED and not reason.strip():
        raise InputError("a rejection says why: --reason TEXT")
    with setting.ledger.transaction() as transaction:
        _going_on(transaction, setting.policies, number, outcome)
        if outcome is not RequestState.COMPLETED and rewritten_by(transaction, subject=subject_of(number)):
            raise Refusal(f"request {number} was begun, and rows are gone or changed: complete it")
        content: dict[str, Any] = {"answered": today(setting.policies).isoformat()}
        if reason:
            salt = secrets.token_hex(32)
            write_papers(setting.home, number, replace(papers_of(setting.home, number), reason=reason, salt=salt))
            content["reason"] = hashlib.sha256((salt + reason).encode()).hexdigest()
        _append(transaction, number, outcome, handler, content)
        return request_of(transaction, setting.policies, number)


def requests_of(transaction: Transaction, policies: Policies) -> list[PersonRequest]:
    """Return every request, in order of number."""
    found: dict[int, PersonRequest] = {}
    for entry in transaction.entries(kind=EntryKind.PERSONS_REQUEST):
        if "state" in entry.payload:
            found[number_of(entry)] = _with(found.get(number_of(entry)), entry, policies)
    return list(found.values())


def request_of(transaction: Transaction, policies: Policies, number: int) -> PersonRequest:
    """Return a request.

    Raises:
        InputError: there is none of the number.
    """
    found = {one.number: one for one in requests_of(transaction, policies)}
    if number not in found:
        raise InputError(f"no request {number}; there are {len(found)}: noren request list")
    return found[number]


def number_of(entry: Entry) -> int:
    """Return the number of the request that an entry is about."""
    return int(entry.subject.removeprefix(_SUBJECT))


def subject_of(number: int) -> str:
    """Return what the ledger's entries about a request are about."""
    return f"{_SUBJECT}{number}"


def record_step(transaction: Transaction, number: int, handler: Handler, content: Mapping[str, Any]) -> Entry:
    """Record something that was done for a request, before it is done; its state stays."""
    return transaction.append(EntryKind.PERSONS_REQUEST, subject_of(number), {**content, **_who(handler)})


@dataclass(frozen=True)
class Swept:
    """What a sweep removed: requests whose papers went, and those of which what was disclosed went."""

    papers: tuple[int, ...]
    disclosures: tuple[int, ...]


def sweep_requests(setting: Setting, handler: Handler, *, rehearsed: bool = False) -> Swept:
    """Remove the papers of requests that are over their time, and what was disclosed once that is over its own.

    The ledger's entry comes first; a sweep that was ended is taken up by the next one.
    """
    policies, day = setting.policies, today(setting.policies)
    rule = policies.policy.house_rules.requests
    papers, disclosures = [], []
    with setting.ledger.transaction() as transaction:
        requests = requests_of(transaction, policies)
        for one in requests:
            if one.state in ANSWERED and one.answered and kept_until(policies.policy.retention, one.answered) < day:
                papers.append(one.number)
                if not rehearsed:
                    _append(transaction, one.number, RequestState.REMOVED, handler, {})
            elif rule is not None and one.answered and one.answered + timedelta(days=rule.disclosure_kept_days) < day:
                disclosures += [one.number] if (folder_of(setting.home, one.number) / DISCLOSED).exists() else []
    if not rehearsed:
        for number in disclosures:
            shutil.rmtree(folder_of(setting.home, number) / DISCLOSED)
        for number in (*papers, *(one.number for one in requests if one.state is RequestState.REMOVED)):
            remove_papers(setting.home, number)
    return Swept(tuple(papers), tuple(disclosures))


def _with(before: PersonRequest | None, entry: Entry, policies: Policies) -> PersonRequest:
    """A request after one more entry of its state."""
    payload, state = entry.payload, RequestState(entry.payload["state"])
    if before is None:
        before = PersonRequest(
            number_of(entry), RequestKind(payload["kind"]), state, payload["by"],
            date.fromisoformat(payload["received"]), payload["handler"],
        )  # fmt: skip
    answered = date.fromisoformat(payload["answered"]) if "answered" in payload else before.answered
    until = due(policies.policy, before.received) if state in OPEN else None
    return replace(before, state=state, handler=payload["handler"], answered=answered, due=until)


def _going_on(transaction: Transaction, policies: Policies, number: int, wanted: RequestState) -> PersonRequest:
    one = request_of(transaction, policies, number)
    require_next(number, one.state, wanted)
    return one


def _append(
    transaction: Transaction, number: int, state: RequestState, handler: Handler, content: Mapping[str, Any]
) -> None:
    record_step(transaction, number, handler, {"state": state.value, **content})


def _who(handler: Handler) -> dict[str, str]:
    if not handler.name.strip():
        raise InputError("--handler is empty; who acts on a request is in the ledger")
    return {"handler": handler.name, "account": handler.account}

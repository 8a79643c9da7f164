"""People's requests by clause 4: record them, tell what is due, carry out what was verified, remove papers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from anonymization.errors import InputError, Refusal
from anonymization.policy.model import RequestKind
from anonymization.policy.requests import OPEN, RequestState, today
from anonymization.release.person_papers import Change, papers_of
from anonymization.release.person_requests import (
    Handler,
    PersonRequest,
    Submitted,
    add_request,
    answer_request,
    request_of,
    requests_of,
    sweep_requests,
    verify_request,
)
from anonymization.release.setting import Setting, opened
from jobs.stage import tell

Verb = TypeVar("Verb", bound=Callable[..., Any])
AFTERWARDS = {
    RequestKind.DISCLOSURE: "what is kept of the person lies in {}: it is the handler's to hand over",
    RequestKind.DELETION: (
        "of the person nothing is kept but the choice not to be taken in; where something is out of logs that held such"
        " rows, no further version can be published beside it (`noren status` tells), and rows for inside are gone"
    ),
}
"""What a handler has to know; the same of whoever is unknown."""


def _handler(verb: Verb) -> Verb:
    named = click.option("--handler", required=True, help="Who handles the request: in the ledger, with this account.")
    return named(verb)


@click.group("request", help=__doc__)
def command() -> None:
    pass


@command.command("add")
@click.option("--kind", "kinds", type=click.Choice([one.value for one in RequestKind]), multiple=True, required=True)
@click.option(
    "--id", "people", nargs=2, multiple=True, metavar="NAMESPACE ID", help="Of the person, such as: member m1."
)
@click.option(
    "--document", "documents", nargs=3, multiple=True, metavar="FORM REFERENCE FILE",
    help="A form or annex that the policy names: your reference to it, and its scan.",
)  # fmt: skip
@click.option("--received", type=click.DateTime(["%Y-%m-%d"]), help="The day on which it came; today if not given.")
@click.option("--proxy", is_flag=True, help="A proxy makes it.")
@click.option("--source", help="Of a correction or an addition: the log.")
@click.option("--column", help="The column as it is delivered.")
@click.option("--value", help="What stands there from now on.")
@_handler
def add(
    kinds: tuple[str, ...],
    people: tuple[tuple[str, str], ...],
    documents: tuple[tuple[str, str, str], ...],
    received: datetime | None,
    handler: str,
    *,
    proxy: bool,
    **change: str | None,
) -> None:
    """Record a request with what was submitted for it."""
    if len(kinds) > 1:
        raise InputError("--kind: a request has one kind; record each by itself")
    names = [name for name, _, _ in documents]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--document: {', '.join(doubled)} stands twice")
    with opened() as setting:
        submitted = Submitted(
            RequestKind(kinds[0]), people, {name: (reference, Path(file)) for name, reference, file in documents},
            received.date() if received else today(setting.policies), proxy=proxy, change=_change(**change),
        )  # fmt: skip
        _say(add_request(setting, submitted, Handler(handler)))


def _change(source: str | None, column: str | None, value: str | None) -> Change | None:
    if source is None and column is None and value is None:
        return None
    if source is None or column is None or value is None:
        raise InputError("--source, --column and --value go together")
    return Change(source, column, value)


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Those that were answered, too.")
def list_(*, every: bool) -> None:
    """List the requests that wait, the first that is due first; nothing of a person is shown."""
    with opened() as setting:
        requests, day = _requests(setting), today(setting.policies)
    shown = [one for one in requests if every or one.state in OPEN]
    for one in sorted(shown, key=lambda one: (one.state not in OPEN, one.due or date.max, one.number)):
        click.echo(one.told_on(day))
    if not shown:
        click.echo("no request waits")


@command.command("show")
@click.argument("number", type=int)
def show(number: int) -> None:
    """Show a request with its documents; whose it is, only by namespace."""
    with opened() as setting:
        with setting.ledger.transaction() as transaction:
            one = request_of(transaction, setting.policies, number)
        click.echo(str(one))
        if not one.state.kept:
            click.echo("its papers were removed when their time was over")
            return
        papers = papers_of(setting.home, number)
    click.echo(f"ids: {', '.join(namespace for namespace, _ in papers.people)}")
    for name, document in papers.documents.items():
        click.echo(f"document {name}: {document.reference}, {document.file}, SHA-256 {document.sha256}")
    if papers.change is not None:
        click.echo(f"changes: {papers.change.source}.{papers.change.column}")
    for name, text in (("identity checked", papers.identity), ("fee", papers.fee), ("reason", papers.reason)):
        if text:
            click.echo(f"{name}: {text}")


@command.command("verify")
@click.argument("number", type=int)
@click.option("--identity", required=True, help="Your reference to the check of who makes it.")
@click.option("--fee", help="Your reference to the payment, where a fee is charged.")
@_handler
def verify(number: int, identity: str, fee: str | None, handler: str) -> None:
    """Record that whoever makes a request is who they say; from then on it is carried out."""
    with opened() as setting:
        _say(verify_request(setting, number, Handler(handler), identity=identity, fee=fee))


@command.command("complete")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--handler", help="Who does it, and reads what is disclosed; by default who has verified the request.")
def complete(numbers: tuple[int, ...], handler: str | None) -> None:
    """Carry out requests that were verified: those named, or all. One that fails stops no other."""
    from jobs.person_requests import carry_out, verified  # noqa: PLC0415 - an engine that no other of these verbs needs

    done, failures = [], []
    with opened() as setting:
        for number in numbers or verified(setting):
            try:
                one = carry_out(setting, number, None if handler is None else Handler(handler))
            except (InputError, Refusal) as error:
                failures.append((number, error))
                continue
            done.append(number)
            _say(one.request)
            if one.request.kind in AFTERWARDS:
                click.echo(AFTERWARDS[one.request.kind].format(one.disclosed))
    if not done and not failures:
        click.echo("no request waits that was verified")
    tell(completed=done, failed=[number for number, _ in failures])
    if failures:
        told = "; ".join(f"request {number}: {error}" for number, error in failures)
        raise type(failures[0][1])(told)


@command.command("reject")
@click.argument("number", type=int)
@click.option("--reason", default="", help="Why; it stays inside.")
@click.option("--withdrawn", is_flag=True, help="Whoever made it has withdrawn it.")
@_handler
def reject(number: int, reason: str, handler: str, *, withdrawn: bool) -> None:
    """Refuse a request and say why, or record that it was withdrawn."""
    outcome = RequestState.WITHDRAWN if withdrawn else RequestState.REJECTED
    with opened() as setting:
        _say(answer_request(setting, number, Handler(handler), outcome, reason=reason))


@command.command("sweep")
@click.option("--rehearse", "rehearsed", is_flag=True, help="Only say what would be removed.")
@click.option("--handler", default="sweep", show_default=True, help="Who does it.")
def sweep(handler: str, *, rehearsed: bool) -> None:
    """Remove papers and disclosures that are over the time for which the policy keeps them."""
    with opened() as setting:
        done = sweep_requests(setting, Handler(handler), rehearsed=rehearsed)
    tell(papers=list(done.papers), disclosures=list(done.disclosures))
    would = "would be " if rehearsed else ""
    for what, numbers in (("papers of requests", done.papers), ("disclosures of requests", done.disclosures)):
        click.echo(f"{what} {would}removed: {', '.join(map(str, numbers)) or 'none'}")


def _requests(setting: Setting) -> list[PersonRequest]:
    with setting.ledger.transaction() as transaction:
        return requests_of(transaction, setting.policies)


def _say(one: PersonRequest) -> None:
    click.echo(str(one))

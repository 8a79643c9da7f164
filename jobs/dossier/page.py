"""The dossier as one page that stands by itself: no request to anywhere, whole without a script, for screen and paper.

Every text is escaped by the template; what outsiders may have typed has gone through `jobs/inert.py` before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from anonymization.release.left_out import told_of_choices
from anonymization.release.not_allowed import told_of_not_allowed
from anonymization.tables.method import method_of
from jobs.dossier import digest
from jobs.dossier.facts import Facts
from jobs.dossier.history import History
from jobs.dossier.plots import Plot, plots
from jobs.dossier.tables import Shown, shown, smallest
from jobs.inert import visible

LAST = 3
"""Of what the recipient had before, so many stand on the first screen."""
OUTCOMES = ("FAILED", "passed", "nothing to check", "not applicable")
NOT_LOOKED = "nothing to check"


@dataclass(frozen=True)
class Checked:
    """What became of one check of the gate; `passed` is only one that looked at something."""

    meaning: str
    looked_at: str
    outcome: str


@dataclass(frozen=True)
class Attack:
    """Against what the gate attacked, as its verdict says.

    Attributes:
        known: whether the verdict says it.
        earlier: what is out and was taken together with the candidate, each with its recipient.
        shown, unknowns: figures of all of them that are published, and hidden ones that were looked for.
        checks: what the gate says of the attacks.
    """

    known: bool
    earlier: list[tuple[str, str]]
    shown: int
    unknowns: int
    checks: list[Checked]


def as_html(facts: Facts, history: History) -> str:
    """Return the page, as HTML."""
    method = method_of(facts.plan.method)
    noisy = method.drawn or method.record_keys
    tables = [shown(table, facts) for table in facts.package.tables]
    checks = list(_checks(facts))
    return str(
        _template().render(
            facts=facts,
            request=facts.candidate.request,
            release=facts.release,
            party=", ".join(digest.party(facts.recipient)),
            protection=digest.protection(facts),
            left_out=digest.left_out(facts.plan, facts.candidate.request),
            closed=visible(facts.closed),
            checked_at=_time(facts, str(facts.verdict["checked_at"])) if facts.verdict else "",
            had=[(one, _time(facts, one.time)) for one in history.had],
            last=LAST,
            compared=history.compared,
            smallest=smallest(facts.package.tables),
            titles={(t.name, m.name): m.title["en"] for t in facts.package.tables for m in t.measures},
            noisy=noisy,
            findings=[visible(str(one)) for one in facts.findings],
            attack=_attack(facts, history, checks),
            missing=digest.missing(facts.candidate.request),
            not_allowed=told_of_not_allowed(facts.candidate.request.barred),
            opted_out=digest.opted_out(facts.candidate.request),
            late=digest.late(facts.candidate.request),
            choices=told_of_choices(facts.candidate.request.choices),
            tables=tables,
            pictures=_pictures(facts, tables),
            checks=checks,
            outcomes={outcome: sum(one.outcome == outcome for one in checks) for outcome in OUTCOMES},
            leaves=[line for line in digest.LEAVES[2:] if line],
            css=_text("page.css"),
            script=_text("page.js"),
        )
    )


def _checks(facts: Facts) -> Iterator[Checked]:
    for suite in facts.verdict["suites"] if facts.verdict else ():
        for check in suite["checks"]:
            yield checked(check)


def checked(check: dict[str, Any]) -> Checked:
    """Return what became of a check; without an outcome, or with nothing that was looked at, it has not passed."""
    outcome = str(check.get("outcome", NOT_LOOKED))
    if outcome not in OUTCOMES or (outcome == "passed" and not check.get("checked")):
        outcome = NOT_LOOKED
    return Checked(str(check["meaning"]), str(check.get("looked_at", "")), outcome)


def _attack(facts: Facts, history: History, checks: list[Checked]) -> Attack:
    suites = facts.verdict["suites"] if facts.verdict else []
    about = {check["meaning"] for suite in suites for check in suite["checks"] if check["expectation"] == ATTACKS}
    said = (facts.verdict or {}).get("attack") or {}
    earlier = [(name, history.recipient_of(name)) for name in said.get("earlier", [])]
    return Attack(
        bool(said),
        earlier,
        int(said.get("shown", 0)),
        int(said.get("unknowns", 0)),
        [one for one in checks if one.meaning in about],
    )


ATTACKS = "expect_table_row_count_to_equal"
"""The expectation of suites that have a row for each finding."""


def _pictures(facts: Facts, tables: list[Shown]) -> list[tuple[Shown, list[Plot]]]:
    columns = dict(facts.plan.columns)
    return [(told, list(plots(table, columns))) for told, table in zip(tables, facts.package.tables, strict=True)]


def _time(facts: Facts, text: str) -> str:
    """A time of the ledger in the zone of the sources."""
    time = datetime.fromisoformat(text)
    local = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(facts.zone)
    return f"{local:%Y-%m-%d %H:%M} {facts.zone.key}"


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only where a page is made

    made = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    made.filters["number"] = lambda number: f"{number:,}"
    made.filters["percent"] = lambda share: f"{share:.1%}"
    return made.from_string(_text("page.html"))


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")

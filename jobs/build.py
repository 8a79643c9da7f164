"""Build: from events to a candidate, if the policy allows the release for every source it reads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from anonymization.deidentify.events import event_schema
from anonymization.deidentify.intake import Taken
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.errors import InputError, PolicyRefusal, Refusal
from anonymization.home import Home
from anonymization.policy.crosscheck import check_release
from anonymization.policy.decide import Clause, versions_in_force
from anonymization.policy.load import Policies
from anonymization.release.candidate import Candidate, discard, new_stage, store_candidate, write_standing
from anonymization.release.package import write_package
from anonymization.tables.facts import conflicts_sql
from anonymization.tables.model import CONFIDENTIAL
from anonymization.tables.noise import require_bounds
from anonymization.tables.period import Period, parse_period
from anonymization.tables.spec import Plan, resolve
from anonymization.tables.suppression import Protected
from anonymization.tables.tabulate import tabulate
from jobs.intake import known_files, touches
from jobs.protection import claimed_by, privacy_of, protected_tables
from jobs.setting import Setting


@dataclass(frozen=True)
class Inputs:
    """The events that a release reads: files by source, and what the intake said of them."""

    files: Mapping[str, tuple[Path, ...]]
    taken: Mapping[str, tuple[Taken, ...]]


def find_inputs(home: Home, sources: Sequence[str], period: Period) -> Inputs:
    """Return the event files that hold events of the period, wherever they arrived.

    Raises:
        InputError: a source has no event in the period.
    """
    files: dict[str, tuple[Path, ...]] = {}
    taken: dict[str, tuple[Taken, ...]] = {}
    for source in sources:
        found = [(paths, one) for paths, one in known_files(home, source) if touches(one, period)]
        if not found:
            raise InputError(f"source {source!r} has no events in {period.name}: take its logs in by `noren intake`")
        files[source] = tuple(path for paths, _ in found for path in paths)
        taken[source] = tuple(one for _, one in found)
    return Inputs(files, taken)


def inputs_of(setting: Setting, sources: Sequence[str], period: Period) -> Inputs:
    """Return what `find_inputs` finds in a home, if all of the period is still there.

    Raises:
        Refusal: the logs of the period were erased.
        InputError: a source has no event in the period.
    """
    kept_from = setting.kept_from
    if kept_from is not None and period.first_date < kept_from:
        raise Refusal(f"the logs from before {kept_from} were erased: nothing about {period.name} can be made of them")
    return find_inputs(setting.home, sources, period)


@contextmanager
def opened_events(
    home: Home, policies: Policies, inputs: Inputs, *, engine: str, master: str | None = None
) -> Iterator[tuple[Engine, dict[str, str]]]:
    """Open an engine with the events of every source; yields it and the relation of each source."""
    linked = {link.source for link in policies.links}
    with open_engine(engine, temporary=home.temporary, folders=[home.events], master=master) as opened:
        relations = {}
        for source, paths in inputs.files.items():
            schema = event_schema(policies.sources[source], linked=source in linked)
            opened.open_events(f"events_{source}", paths, schema)
            relations[source] = f"events_{source}"
        yield opened, relations


def plan_release(policies: Policies, name: str, period_text: str) -> tuple[Plan, tuple[Clause, ...]]:
    """Return a release's plan and the clauses that allow it.

    Raises:
        DeclarationError: no such release, or its declaration is wrong.
        InputError: the period is none of the release's kind.
        PolicyRefusal: the policy does not allow it for a source, recipient or period, quoting the clause.
    """
    release = policies.release(name)
    period = parse_period(release.period, period_text)
    clauses = check_release(release, policies.policy, policies.sources, policies.links, policies.recipients)
    require_period(policies, f"release {name!r}", release.policy_versions, period)
    return resolve(policies, release, period), clauses


def require_period(policies: Policies, what: str, versions: Sequence[date], period: Period) -> None:
    """Refuse a period that falls under other versions of the policy than declared, or into two key periods.

    Raises:
        PolicyRefusal: it does.
    """
    in_force = versions_in_force(policies.policy, period.first_date, period.last_date)
    if tuple(sorted(versions)) != in_force:
        named = ", ".join(map(str, in_force))
        raise PolicyRefusal(f"{what} names other policy versions than those in force in {period.name}: {named}")
    if not one_key_period(period):
        raise PolicyRefusal(
            f"{period.name} crosses a key period (a calendar month): persons cannot be told across months"
        )


def one_key_period(period: Period) -> bool:
    """Whether a period lies inside one calendar month, the key period."""
    first, last = period.first_date, period.last_date
    return (first.year, first.month) == (last.year, last.month)


def build(
    setting: Setting, name: str, period_text: str, *, engine: str = "duckdb", master: str | None = None
) -> Candidate:
    """Build a candidate.

    Raises:
        Refusal: the policy does not allow it.
        InputError: wrong names, or no events.
    """
    started = time.perf_counter()
    plan, clauses = plan_release(setting.policies, name, period_text)
    require_bounds(plan)
    claimed = claimed_by(setting, plan)
    inputs = inputs_of(setting, plan.release.sources, plan.period)
    logs = {source: sorted(one.digest for one in taken) for source, taken in inputs.taken.items()}
    privacy = privacy_of(setting, plan, logs)
    with opened_events(setting.home, setting.policies, inputs, engine=engine, master=master) as (opened, events):
        protected = protected_tables(setting, plan, privacy, lambda: tabulate(opened, plan, events))
        conflicts = _links_in_conflict(opened, plan, events)
    stage = new_stage(setting.home)
    try:
        digest = write_package(stage / "package", plan, protected.tables, clauses)
        known: dict[str, object] = {
            "release": name,
            "period": plan.period.name,
            "first_day": plan.period.first,
            "past_day": plan.period.past,
            "sources": list(plan.release.sources),
            "recipient": plan.release.recipient,
            "purpose": plan.release.purpose,
            "requester": plan.release.owner,
            "digest": digest,
            "policy_digest": setting.policies.digest,
            "engine": engine,
            "inputs": logs,
            "figures": _figures(protected) | {"links in conflict": conflicts},
            "seconds": round(time.perf_counter() - started, 3),
            **claimed,
            "privacy": privacy,
            "needs_sha256": write_standing(stage, protected.standing) if protected.standing else "",
        }
        return store_candidate(setting.home, setting.ledger, stage, known)
    finally:
        discard(stage)


def _links_in_conflict(engine: Engine, plan: Plan, events: Mapping[str, str]) -> int:
    sql = conflicts_sql(plan, events)
    return 0 if sql is None else int(engine.fetch(sql).column("n")[0].as_py())


def _figures(protected: Protected) -> dict[str, int]:
    """What the officer may want to know of the tables: cells listed, and of them confidential, a measure."""
    figures = {}
    for table in protected.tables:
        figures[f"{table.name}: cells"] = len(table.frame)
        for measure in table.measures:
            hidden = int((table.frame[f"{measure.name}_status"] == CONFIDENTIAL).sum())
            figures[f"{table.name}.{measure.name}: confidential"] = hidden
    figures["cells unsafe by themselves"] = protected.unsafe
    figures["cells confidential because of earlier releases alone"] = protected.for_earlier
    return figures


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("build")

"""Build a candidate of RELEASE; the last line is its id."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

import click

from anonymization.engine.base import Engine
from anonymization.release.candidate import Candidate, discard, new_stage, store_candidate, write_standing
from anonymization.release.gaps import days_lacking, gaps_of, told
from anonymization.release.inputs import Inputs, left_out_of, open_inputs, opened_events, plan_release
from anonymization.release.left_out import rounded_up, told_of_choices
from anonymization.release.not_allowed import count_not_allowed, told_of_not_allowed
from anonymization.release.package_writing import write_package
from anonymization.release.proofs import write_proof
from anonymization.release.protect import claimed_by, privacy_of, protected_tables
from anonymization.release.removals import REMOVED, removed_since
from anonymization.release.setting import Setting, opened
from anonymization.release.states import WAITING, inputs_of, waiting
from anonymization.tables.counting.facts import OF_UNKNOWN, conflicts_sql, facts_statement
from anonymization.tables.counting.tabulate import FACTS, preparing, tabulate
from anonymization.tables.method import Protected, method_of
from anonymization.tables.model import CONFIDENTIAL, Table
from anonymization.tables.plan import Plan
from anonymization.tables.utility import FOR_MONTHS, Utility, noted, utilities
from jobs.options import engine_option, master_option, period_option
from jobs.stage import tell


@click.command("build", help=__doc__)
@click.argument("release")
@period_option
@engine_option
@master_option
def command(release: str, period: str, engine: str, master: str | None) -> None:
    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        candidate = build(setting, release, period, engine=engine, master=master)
    built = candidate.request
    tell(candidate=candidate.id, digest=built.digest, release=built.release, period=built.period)
    for name, figure in built.figures.items():
        click.echo(f"{name}: {figure:,}")
    click.echo(f"levels: {built.levels}")
    for one in noted(built.utility):
        click.echo(f"{one.table}.{one.measure}: {one}")
    for gap in told(built.gaps):
        click.echo(f"logs are missing: {gap}")
    for line in told_of_not_allowed(built.barred):
        click.echo(f"not read, as the policy does not allow it: {line}")
    click.echo(f"left out by choice: {told_of_choices(built.choices)}")
    click.echo(f"built on {engine} in {built.seconds} s; digest {built.digest}")
    click.echo(candidate.id)


def build(
    setting: Setting, name: str, period_text: str, *, engine: str = "duckdb", master: str | None = None
) -> Candidate:
    """Build a candidate.

    Raises:
        Refusal: the policy does not allow it, or the ledger does not know the policy folder.
        InputError: wrong names, or no events.
    """
    started = time.perf_counter()
    setting.require_known_policies()
    expected = setting.expected_in(name, period_text)
    plan, clauses = plan_release(setting.policies, name, period_text, expected=expected)
    method_of(plan.method).require(plan, plan.release.protection)
    claimed = claimed_by(setting, plan)
    inputs = inputs_of(setting, plan.release.sources, plan.period, judging=plan.judging, barred=plan.barred)
    counted: list[tuple[Table, ...]] = []
    logs = inputs.read
    with opened_events(setting.home, setting.policies, inputs, engine=engine, master=master) as (opened, events):

        def true() -> tuple[Table, ...]:
            counted.append(tabulate(opened, plan, events))
            return counted[-1]

        gaps = gaps_of(opened, setting.home, setting.policies, inputs, events)
        barred = count_not_allowed(opened, setting, inputs, plan.barred, _least(setting, plan))
        left_out = left_out_of(opened, setting.home, inputs, plan.release.sources)
        privacy = privacy_of(setting, plan, logs, left_out.state)
        protected = protected_tables(setting, plan, privacy, inputs, true)
        told = {
            "links in conflict": _links_in_conflict(opened, plan, events),
            WAITING: _waiting(opened, setting, plan, inputs),
            REMOVED: removed_since(opened, setting, plan, inputs),
            **_unknown(opened, plan, events),
        }
    stage = new_stage(setting.home)
    try:
        digest = write_package(stage / "package", plan, protected.tables, clauses, days_lacking(gaps))
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
            "declared": setting.policies.digest_of(name),
            "engine": engine,
            "inputs": logs,
            "figures": _figures(protected) | told,
            "utility": [asdict(one) for true in counted for one in _utilities(true, protected)],
            "gaps": gaps,
            "barred": barred,
            "seconds": round(time.perf_counter() - started, 3),
            "expected_persons": expected,
            **claimed,
            "privacy": privacy,
            "states": dict(inputs.states),
            "choices": {**inputs.considered, **left_out.told(_least(setting, plan)), "state": left_out.state},
            "needs_sha256": write_standing(stage, protected.standing) if protected.standing else "",
        }
        if protected.proof is not None:
            write_proof(stage, protected.proof)
        return store_candidate(setting.home, setting.ledger, stage, known)
    finally:
        discard(stage)


def _utilities(true: tuple[Table, ...], protected: Protected) -> Iterator[Utility]:
    """What of every measure is published, and what is not because of neighbouring months."""
    for one in utilities(true, protected.tables, protected.lost):
        yield replace(one, months=protected.for_months.get((one.table, one.measure), 0))


def _least(setting: Setting, plan: Plan) -> int:
    """By what numbers of persons are rounded down before they are told."""
    types = tuple(setting.policies.sources[source].information_type for source in plan.release.sources)
    return max(plan.minimum_count, setting.policies.policy.minimum_count(types))


def _links_in_conflict(engine: Engine, plan: Plan, events: Mapping[str, str]) -> int:
    sql = conflicts_sql(plan, events)
    return 0 if sql is None else int(engine.fetch(sql).column("n")[0].as_py())


def _unknown(engine: Engine, plan: Plan, events: Mapping[str, str]) -> dict[str, int]:
    """Persons who are left out of a measure as some attribute of theirs is not known, up to the next multiple of N."""
    found, least = {}, max(plan.minimum_count, 2)
    counted = [(t, m) for t in plan.tables for m in t.measures if m.known and m.how.persons]
    prepared = list(preparing(plan, events)) if counted else []
    for statement in prepared:
        engine.create(statement.name, statement.sql)
    for table, measure in counted:
        every, known = (
            f"SELECT DISTINCT f.p FROM ({facts_statement(plan, FACTS, table.dimensions, [one], events).sql}) AS f"
            for one in (replace(measure, known=False), measure)
        )
        sql = f"SELECT count(*) AS n FROM ({every}) AS a ANTI JOIN ({known}) AS b ON a.p = b.p"
        persons = int(engine.fetch(sql).column("n")[0].as_py())
        found[f"{table.name}.{measure.name}: {OF_UNKNOWN}"] = rounded_up(persons, least)
    for statement in prepared:
        engine.drop(statement.name)
    return found


def _waiting(engine: Engine, setting: Setting, plan: Plan, inputs: Inputs) -> int:
    """Persons whose late events wait, up to the next multiple of N: how few they are is nobody's affair."""
    if not any(inputs.left.values()):
        return 0
    period, least, persons = plan.period, max(plan.minimum_count, 2), 0
    late = waiting(setting, inputs, period)
    for rows in open_inputs(engine, setting.policies, late, "waiting").values():
        days = f"day BETWEEN {period.first} AND {period.past - 1}"
        sql = f"SELECT count(DISTINCT p) AS n FROM {rows} WHERE {days}"
        persons += int(engine.fetch(sql).column("n")[0].as_py())
    return rounded_up(persons, least)


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
    if months := sum(protected.for_months.values()):
        figures[FOR_MONTHS] = months
    return figures

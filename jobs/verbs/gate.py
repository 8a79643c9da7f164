"""Check CANDIDATE against the events and everything that is out; exit 1 while the gate is closed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import pandas as pd

from anonymization.deidentify.frames import intake_frames
from anonymization.errors import IntegrityError, PolicyRefusal, Refusal
from anonymization.files import indented
from anonymization.policy.crosscheck import check_release
from anonymization.policy.periods import one_key_period, parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.release.candidate import Candidate, load_candidate, read_standing, write_private
from anonymization.release.draws import draw_digest, stored_draw
from anonymization.release.issues import issue_of
from anonymization.release.package import Package, read_package
from anonymization.release.verdict import FILE, record_verdict, verdict_digest
from anonymization.tables.audit.audit import margins
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.recount_rests import must_be_listed
from anonymization.tables.methods.cell_key import expected
from anonymization.tables.methods.unlisted import closure
from anonymization.tables.model import CONFIDENTIAL, FREE, TOTAL, SafeTable, cell_text
from anonymization.tables.plan import Plan, resolve, with_codes
from expectations.gate import CandidateFrames, check_candidate, check_intake, reasons
from expectations.run import SuiteResult
from jobs.attacks import Attacked, as_frame, attack_candidate
from jobs.events import opened_events
from jobs.gate_noise import against_draw
from jobs.history import earlier_issues
from jobs.inputs import Inputs, inputs_of
from jobs.protection import CANDIDATE
from jobs.setting import Setting, opened
from jobs.stage import tell

FINDINGS = "findings.json"
TOLD = 20
"""Findings that stand in the reasons; all of them stand in the evidence."""


@click.command("gate", help=__doc__)
@click.argument("candidate")
def command(candidate: str) -> None:
    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        result = gate(setting, candidate)
        checked = load_candidate(setting.home, setting.ledger, candidate)
    tell(candidate=candidate, digest=checked.request.digest)
    tell(verdict=checked.evidence / FILE, verdict_digest=verdict_digest(checked))
    for suite in result.results:
        for check in suite.checks:
            click.echo(f"{'passed' if check.success else 'FAILED'}  {suite.name}: {check.meaning}")
    if not result.opened:
        tell(reasons=list(result.reasons))
        raise Refusal("the gate is closed:\n  " + "\n  ".join(result.reasons))
    click.echo(f"the gate is open for {candidate}")


@dataclass(frozen=True)
class GateResult:
    """What the gate said, and why not, if it is closed."""

    opened: bool
    results: tuple[SuiteResult, ...]
    reasons: tuple[str, ...]


def gate(setting: Setting, identity: str) -> GateResult:
    """Check a candidate and record the verdict.

    Raises:
        InputError: no such candidate.
        IntegrityError: the candidate is not what was built.
    """
    candidate = load_candidate(setting.home, setting.ledger, identity)
    read_standing(candidate)  # a release whose needs are lost would stop every one after it
    results: tuple[SuiteResult, ...] = ()
    attacked = Attacked()
    try:
        plan, inputs = _plan(setting, candidate)
        package = read_package(candidate.package)
        recounted = _recount(setting, plan, inputs, package)
        request = candidate.request
        earlier = earlier_issues(setting, request.sources, request.first_day, request.past_day)
        attacked = attack_candidate(plan, package, recounted, earlier)
        frames = _frames(setting, candidate, plan, package, recounted, attacked)
        taken = [one for of_source in inputs.taken.values() for one in of_source]
        results = (*check_intake(*intake_frames(taken, setting.policies)), *check_candidate(frames))
        closed = [*attacked.unsettled, *reasons(results)]
    except Refusal as error:
        closed = [*attacked.unsettled, str(error)]
    closed += [str(finding) for finding in attacked.findings[:TOLD]]
    opened = bool(results) and not closed
    content = [asdict(finding) for finding in attacked.findings]
    write_private(candidate.evidence / FINDINGS, indented(content, as_given=True))
    record_verdict(
        setting.ledger, candidate, opened=opened, suites=[result.as_dict() for result in results], reasons=closed
    )
    return GateResult(opened, results, tuple(closed))


def _plan(setting: Setting, candidate: Candidate) -> tuple[Plan, Inputs]:
    release = setting.policies.release(candidate.request.release)
    plan = resolve(setting.policies, release, parse_period(release.period, candidate.request.period))
    inputs = inputs_of(setting, release.sources, plan.period)
    now = {source: sorted(one.digest for one in taken) for source, taken in inputs.taken.items()}
    if now != candidate.request.inputs:
        raise IntegrityError(
            "logs were taken in since the build: its figures are no longer those of the events; build again"
        )
    return plan, inputs


def _recount(setting: Setting, plan: Plan, inputs: Inputs, package: Package) -> pd.DataFrame:
    """Count again, on DuckDB always: also a candidate that Spark built is checked by the other engine."""
    with opened_events(setting.home, setting.policies, inputs, engine="duckdb") as (engine, events):
        return expected(plan, recount(engine, plan, events, package.tables))


def _frames(
    setting: Setting, candidate: Candidate, plan: Plan, package: Package, recounted: pd.DataFrame, attacked: Attacked
) -> CandidateFrames:
    if plan.method is Method.DIFFERENTIAL_PRIVACY:
        stored = stored_draw(setting.home, plan, draw_digest(plan, candidate.request.inputs))
        cells, complete = against_draw(plan, package.tables, stored, recounted)
        covering = pd.DataFrame(columns=["table", "measure", "cell"])
    else:
        cells, complete, covering = _against_recount(plan, package.tables, recounted)
    return CandidateFrames(
        schema=_schema(plan, package.tables),
        cells=cells,
        complete=complete,
        margins=margins(issue_of(package, CANDIDATE)),
        audit=as_frame(attacked.alone),
        together=as_frame(attacked.together),
        inside=as_frame(attacked.inside),
        covering=covering,
        identifiers=texts(candidate.package),
        levels=levels(plan, recounted),
        policy=_policy(setting, candidate, plan),
    )


def _against_recount(
    plan: Plan, tables: Sequence[SafeTable], recounted: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compare every published figure with the recount; look for classes that are neither listed nor withheld."""
    cells, complete, covering = [], [], []
    for table in tables:
        persons_frame = recounted[recounted["table"] == table.name]
        for measure in table.measures:
            persons = table.persons_of(measure)
            counts = _counts(table, persons_frame, persons.name).rename(columns={"recounted": "_persons"})
            counts = counts.drop(columns="expected")
            values = _counts(table, persons_frame, measure.name)
            columns = [*table.keys, measure.name, f"{measure.name}_status"]
            frame = (
                table.frame[columns].merge(counts, on=table.keys, how="left").merge(values, on=table.keys, how="left")
            )
            frame[["_persons", "expected"]] = frame[["_persons", "expected"]].fillna(0).astype("int64")
            free = frame[f"{measure.name}_status"] == FREE
            value = frame[measure.name]
            cells.append(
                pd.DataFrame(
                    {
                        "table": table.name,
                        "measure": measure.name,
                        "status": frame[f"{measure.name}_status"],
                        "empty_where_hidden": (value.isna() == ~free).astype(bool),
                        "enough_persons": ~free | (frame["_persons"] == 0) | (frame["_persons"] >= plan.minimum_count),
                        "equals_recount": (~free | (value.fillna(-1) == frame["expected"])).astype(bool),
                    }
                )
            )
            listed = values.merge(table.frame[table.keys].assign(listed=True), on=table.keys, how="left")
            present = listed["listed"].fillna(False).astype(bool) | table.withheld  # noqa: FBT003 - pandas
            if measure is persons:
                present &= listed["listed"].notna() | ~must_be_listed(table, listed)
            present |= _rightly_unlisted(table, listed)
            complete.append(pd.DataFrame({"table": table.name, "measure": measure.name, "listed": present}))
            merged = any(dimension.merged for dimension in table.dimensions)  # what is unlisted is in a rest
            if measure is persons and table.withheld and not merged:
                covering.append(_covering_unlisted(table, measure.name, values))
    covering.append(pd.DataFrame(columns=["table", "measure", "cell"]))
    return tuple(pd.concat(frames, ignore_index=True) for frames in (cells, complete, covering))  # type: ignore[return-value]


def levels(plan: Plan, recounted: pd.DataFrame) -> pd.DataFrame:
    """Whether the pinned levels of person dimensions still fit; no row where the release declares no limit.

    Persons add up over person dimensions, so a class of the finest levels is counted by its row of the recount.
    """
    limit, rows = plan.release.protection.suppression_limit, []
    for table in plan.tables if limit is not None else ():
        people = [d for d in table.dimensions if d.kind is DimensionKind.PERSON]
        finest = (recounted["table"] == table.name) & pd.Series(bool(people), index=recounted.index)
        for dimension in table.dimensions:
            codes = recounted[dimension.name]
            of_level = codes.map(dimension.level_of) == dimension.levels[0] if dimension in people else codes == TOTAL
            finest &= of_level
        for measure in table.measures:
            counts = recounted.loc[finest & (recounted["measure"] == measure.name), "recounted"]
            if people and measure.kind is MeasureKind.PERSONS:
                few = int(counts[counts < plan.minimum_count].sum())
                rows.append((table.name, measure.name, few <= (limit or 0) * counts.sum()))
    return pd.DataFrame(rows, columns=["table", "measure", "within_limit"])


def _rightly_unlisted(table: SafeTable, counts: pd.DataFrame) -> pd.Series:
    """Whether a class has a code of an open dimension that too few persons have in all."""
    unlisted = pd.Series(False, index=counts.index)  # noqa: FBT003 - pandas
    for dimension in table.dimensions:
        if dimension.open:
            others = [key for key in table.keys if key != dimension.name]
            margin = counts[(counts[others] == TOTAL).all(axis=1)].set_index(dimension.name)["recounted"]
            unlisted |= counts[dimension.name].map(margin).fillna(0) < table.minimum_count
    return unlisted


def _counts(table: SafeTable, recounted: pd.DataFrame, measure: str) -> pd.DataFrame:
    return recounted.loc[recounted["measure"] == measure, [*table.keys, "recounted", "expected"]]


def _covering_unlisted(table: SafeTable, measure: str, counts: pd.DataFrame) -> pd.DataFrame:
    """Published cells that cover a class of too few persons, whether that class is listed or not."""
    few = counts[counts["recounted"].between(1, table.minimum_count - 1)]
    names = sorted(table.keys)
    dimensions = sorted(table.dimensions, key=lambda dimension: dimension.name)
    parents = [
        with_codes(replace(d, complete=not d.extends(few[d.name])), {*d.parents, *few[d.name]}) for d in dimensions
    ]
    above = closure(parents, few[names].astype(object))
    published = table.frame.loc[table.frame[f"{measure}_status"] != CONFIDENTIAL]
    published = published[published[measure].fillna(0) > 0]
    at = pd.MultiIndex.from_frame(published[names].astype(object)).isin(pd.MultiIndex.from_frame(above[names]))
    rows = [(table.name, measure, cell_text(table.keys, row)) for row in published.loc[at, table.keys].to_numpy()]
    return pd.DataFrame(rows, columns=["table", "measure", "cell"])


def _schema(plan: Plan, tables: Sequence[SafeTable]) -> pd.DataFrame:
    """Whether each table has exactly the columns that the release declares, of their types."""
    rows = []
    declared = {table.name: table for table in plan.tables}
    for table in tables:
        spec = declared[table.name]
        expected = [d.name for d in spec.dimensions]
        expected += [name for m in spec.measures for name in (m.name, f"{m.name}_status")]
        expected += ["days"] if spec.days else []
        rows += [(table.name, column, column in table.frame.columns) for column in expected]
        rows += [(table.name, column, column in expected) for column in table.frame.columns]
        rows += [(table.name, m.name, pd.api.types.is_integer_dtype(table.frame[m.name])) for m in table.measures]
    rows += [(name, "", name in {table.name for table in tables}) for name in declared]
    return pd.DataFrame(rows, columns=["table", "column", "as_described"])


def texts(package: Path) -> pd.DataFrame:
    """Return every text of a package but its manifest's digests: lines of texts, and distinct fields of tables."""
    rows: set[tuple[str, str]] = set()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        if path.suffix == ".csv":
            content = path.read_text(encoding="utf-8")
            rows |= {(name, field) for row in csv.reader(io.StringIO(content)) for field in row if field}
        elif path.suffix in (".md", ".json") and path.name != "MANIFEST.json":
            rows |= {(name, line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    return pd.DataFrame(sorted(rows), columns=["file", "text"])


def _policy(setting: Setting, candidate: Candidate, plan: Plan) -> pd.DataFrame:
    policies, request = setting.policies, candidate.request
    try:
        check_release(plan.release, policies.policy, policies.sources, policies.links, policies.recipients)
        permitted = True
    except PolicyRefusal:
        permitted = False
    row = (permitted, one_key_period(plan.period), request.policy_digest == policies.digest)
    return pd.DataFrame([row], columns=["permitted", "one_key_period", "policy_unchanged"])

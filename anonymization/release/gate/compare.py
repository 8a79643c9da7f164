"""A candidate's figures against those of the events, counted again; whether what is not there may be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from anonymization.errors import IntegrityError, StaleCandidate
from anonymization.policy.periods import parse_period
from anonymization.release.candidate import Candidate
from anonymization.release.gaps import Gaps, gaps_of
from anonymization.release.inputs import Inputs, opened_events
from anonymization.release.package import Package
from anonymization.release.setting import Setting
from anonymization.release.states import inputs_of
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.recount_rests import must_be_listed
from anonymization.tables.method import method_of
from anonymization.tables.methods.unlisted import closure
from anonymization.tables.model import CONFIDENTIAL, FREE, TOTAL, Dimension, SafeTable, cell_text
from anonymization.tables.plan import Plan, resolve, with_codes


def plan_again(setting: Setting, candidate: Candidate) -> tuple[Plan, Inputs]:
    """Return the plan of a candidate and the events that it was built of.

    Raises:
        IntegrityError: other logs were taken in since.
        StaleCandidate: a person's choice came since, or the policy says something else of the period's days.
    """
    release = setting.policies.release(candidate.request.release)
    period = parse_period(release.period, candidate.request.period)
    plan = resolve(setting.policies, release, period, expected=candidate.request.expected_persons)
    inputs = inputs_of(setting, release.sources, plan.period, judging=plan.judging, barred=plan.barred)
    if {source: sorted(days) for source, days in inputs.barred.items()} != {
        source: list(one["days"]) for source, one in candidate.request.barred.items()
    }:
        raise StaleCandidate("the policy's versions allow the use of other days than at the build; build again")
    if inputs.choices.last != candidate.request.choices.get("last", 0):
        raise StaleCandidate("a person's choice came after the build; build again")
    proving = candidate.request.choices.get("links", {})
    if inputs.read != candidate.request.inputs or inputs.considered["links"] != proving:
        raise IntegrityError(
            "logs were taken in since the build: its figures are no longer those of the events; build again"
        )
    return plan, inputs


def count_again(setting: Setting, plan: Plan, inputs: Inputs, package: Package) -> tuple[pd.DataFrame, Gaps]:
    """Count again, and look for gaps, on DuckDB always: a candidate that Spark built is checked by the other engine."""
    with opened_events(setting.home, setting.policies, inputs, engine="duckdb") as (engine, events):
        gaps = gaps_of(engine, setting.home, setting.policies, inputs, events)
        counted = recount(engine, plan, events, package.tables)
    return counted.assign(expected=method_of(plan.method).expected(counted, plan.release.protection)), gaps


def against_recount(
    plan: Plan, tables: Sequence[SafeTable], recounted: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compare every published figure with the recount; look for classes that are neither listed nor withheld."""
    cells, complete, covering = [], [], []
    for table in tables:
        persons_frame = recounted[recounted["table"] == table.name]
        for measure in table.measures:
            persons = table.persons_of(measure)
            counts = _counts(table, persons_frame, persons.name).rename(columns={"for_threshold": "_persons"})
            counts = counts.rename(columns={"recounted": "_ids"}).drop(columns="expected")
            values = _counts(table, persons_frame, measure.name)
            columns = [*table.keys, measure.name, f"{measure.name}_status"]
            frame = (
                table.frame[columns].merge(counts, on=table.keys, how="left").merge(values, on=table.keys, how="left")
            )
            whole = ["_persons", "_ids", "expected"]
            frame[whole] = frame[whole].fillna(0).astype("int64")
            free = frame[f"{measure.name}_status"] == FREE
            value = frame[measure.name]
            cells.append(
                pd.DataFrame(
                    {
                        "table": table.name,
                        "measure": measure.name,
                        "status": frame[f"{measure.name}_status"],
                        "empty_where_hidden": (value.isna() == ~free).astype(bool),
                        "enough_persons": ~free | (frame["_ids"] == 0) | (frame["_persons"] >= plan.minimum_count),
                        "equals_recount": (~free | (value.fillna(-1) == frame["expected"])).astype(bool),
                    }
                )
            )
            listed = values.merge(table.frame[table.keys].assign(listed=True), on=table.keys, how="left")
            present = listed["listed"].fillna(False).astype(bool) | table.withheld  # noqa: FBT003 - pandas
            if measure is persons:
                present &= listed["listed"].notna() | ~must_be_listed(table, listed)
            present |= rightly_unlisted(table, listed)
            complete.append(pd.DataFrame({"table": table.name, "measure": measure.name, "listed": present}))
            merged = any(dimension.merged for dimension in table.dimensions)  # what is unlisted is in a rest
            if measure is persons and table.withheld and not merged:
                covering.append(_covering_unlisted(table, measure.name, values))
    covering.append(pd.DataFrame(columns=["table", "measure", "cell"]))
    return tuple(pd.concat(frames, ignore_index=True) for frames in (cells, complete, covering))  # type: ignore[return-value]


def labels(tables: Sequence[SafeTable], recounted: pd.DataFrame) -> pd.DataFrame:
    """Whether each code that no closed list has, in a table or a code list, is of enough persons in all to be named."""
    rows = []
    for table in tables:
        for dimension in (d for d in table.dimensions if d.open):
            people = [measure.name for measure in table.measures if measure.how.persons]
            mine = recounted[(recounted["table"] == table.name) & recounted["measure"].isin(people)]
            counts = _by_code(table, dimension, mine)
            named = sorted({*dimension.parents, *table.frame[dimension.name]} - {TOTAL})
            enough = counts.reindex(named).fillna(0) >= table.minimum_count
            rows += [(table.name, dimension.name, bool(one)) for one in enough]
    return pd.DataFrame(rows, columns=["table", "dimension", "enough_persons"])


def rightly_unlisted(table: SafeTable, counts: pd.DataFrame) -> pd.Series:
    """Return of which classes a code of an open dimension is of too few persons in all."""
    unlisted = pd.Series(False, index=counts.index)  # noqa: FBT003 - pandas
    for dimension in table.dimensions:
        if dimension.open:
            margin = _by_code(table, dimension, counts)
            unlisted |= counts[dimension.name].map(margin).fillna(0) < table.minimum_count
    return unlisted


def _by_code(table: SafeTable, dimension: Dimension, counts: pd.DataFrame) -> pd.Series:
    """What each code of a dimension has in all, by the measure that has the most of it."""
    others = [key for key in table.keys if key != dimension.name]
    return counts[(counts[others] == TOTAL).all(axis=1)].groupby(dimension.name)["for_threshold"].max()


def _counts(table: SafeTable, recounted: pd.DataFrame, measure: str) -> pd.DataFrame:
    return recounted.loc[recounted["measure"] == measure, [*table.keys, "recounted", "for_threshold", "expected"]]


def _covering_unlisted(table: SafeTable, measure: str, counts: pd.DataFrame) -> pd.DataFrame:
    """Published cells that cover a class of too few persons, whether that class is listed or not."""
    few = counts[counts["for_threshold"] < table.minimum_count]
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

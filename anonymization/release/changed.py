"""Who changed between two states of the logs: counted from the events of both, for states and for the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from anonymization.disclosure.rules import dominated, p_percent
from anonymization.disclosure.system import Booleans, Floats, Integers
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.release.inputs import Inputs, make_left_out, open_inputs
from anonymization.release.left_out import LEFT_OUT
from anonymization.release.setting import Setting
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.system_of import Linked
from anonymization.tables.audit.two_states import Changed
from anonymization.tables.counting.changes import APART, FIGURES, MOVED, changes
from anonymization.tables.counting.recount import CONTRIBUTIONS
from anonymization.tables.counting.recount_holders import FOR_THRESHOLD
from anonymization.tables.method import method_of
from anonymization.tables.methods.suppression import rules_of
from anonymization.tables.model import Measure, SafeTable
from anonymization.tables.plan import Plan

WHO = "who_changed"
Parts = Mapping[str, str]


def counted_changes(
    setting: Setting, plan: Plan, before: Inputs, after: Inputs, tables: Sequence[SafeTable]
) -> pd.DataFrame:
    """Return who changed in each class of a plan: see `tables/counting/changes.py`.

    Only persons are looked at of whom an event is in one state alone, or who opted out between the two, and whoever a
    log of links joins to them: nobody else can contribute something else.
    """
    same, gone = before.apart(after)
    _, come = after.apart(before)
    with open_engine("duckdb", temporary=setting.home.temporary, folders=[setting.home.events]) as engine:
        both, old, new = (
            open_inputs(engine, setting.policies, part, name)
            for part, name in ((same, "same"), (gone, "gone"), (come, "come"))
        )
        linking = {link.source for link in setting.policies.links}
        for state, inputs in (("before", before), ("after", after)):
            make_left_out(engine, setting.home, setting.policies, inputs, f"{LEFT_OUT}_{state}")
        engine.create(WHO, f"{_of(list({**old, **new}), [old, new], linking)} UNION DISTINCT {_chosen_between()}")
        for source in sorted(linking & {*both, *new}):
            for wanted, told in (("linked_p", "p"), ("p", "linked_p")):  # whom an id is linked to, and all ids of these
                rows = _rows(source, [both, old, new])
                joined = f"SELECT r.{wanted} AS p FROM ({rows}) AS r INNER JOIN {WHO} AS w ON r.{told} = w.p"
                engine.create(f"{WHO}_{wanted}", f"SELECT p FROM {WHO} UNION SELECT p FROM ({joined}) AS j")
                engine.create(WHO, f"SELECT p FROM {WHO}_{wanted} WHERE p IS NOT NULL")
        then, now = _of_those(engine, "before", [both, old]), _of_those(engine, "after", [both, new])
        return changes(engine, plan, then, now, tables)


def _rows(source: str, parts: Sequence[Parts]) -> str:
    return " UNION ALL ".join(f"SELECT e.* FROM {part[source]} AS e" for part in parts if source in part)


def _of(sources: Sequence[str], parts: Sequence[Parts], linking: set[str]) -> str:
    """SQL of everybody who is in these parts of some sources."""
    columns = [(source, column) for source in sources for column in ("p", "linked_p")]
    return " UNION DISTINCT ".join(
        f"SELECT {column} AS p FROM ({_rows(source, parts)}) AS r WHERE {column} IS NOT NULL"
        for source, column in columns
        if column == "p" or source in linking
    )


def _chosen_between() -> str:
    """SQL of everybody who is left out of one state, and not of the other."""
    states = (f"{LEFT_OUT}_before", f"{LEFT_OUT}_after")
    return " UNION DISTINCT ".join(
        f"SELECT a.p AS p FROM {one} AS a ANTI JOIN {other} AS b ON a.p = b.p" for one, other in (states, states[::-1])
    )


def _of_those(engine: Engine, name: str, parts: Sequence[Parts]) -> dict[str, str]:
    """Keep the events of one state, of those who may have changed; return the relation of each source."""
    found = {}
    for source in {**parts[0], **parts[1]}:
        found[source] = f"{name}_{source}"
        there = f"SELECT r.* FROM ({_rows(source, parts)}) AS r INNER JOIN {WHO} AS w ON r.p = w.p"
        engine.create(found[source], f"SELECT t.* FROM ({there}) AS t ANTI JOIN {LEFT_OUT}_{name} AS o ON t.p = o.p")
    return found


def rows_of_few(plan: Plan, table: SafeTable, measure: Measure, counted: pd.DataFrame) -> Booleans:
    """Return in which rows of a published table somebody changed, but too few did.

    Too few are fewer than N or, of a total that is judged by its contributions, so few that one or two of them made
    nearly all of the change.

    Args:
        plan: that was counted.
        table: as it is published.
        measure: one of its measures.
        counted: what `counted_changes` says.
    """
    changed, figures = _by_row(table.frame[table.keys], table.name, measure.name, counted)
    few = changed & (figures[FOR_THRESHOLD] < plan.minimum_count)
    method = method_of(plan.method)
    if measure.kind in method.largest and not method.record_keys:  # noise is of the largest contributions already
        rules = rules_of(plan)
        total, first, second = (figures[name] for name in (MOVED, *CONTRIBUTIONS))
        if rules.dominance is not None:
            persons, percent = rules.dominance
            few |= changed & dominated(total, first, second, persons=persons, percent=percent)
        if rules.p_percent is not None:
            few |= changed & p_percent(total, first, second, rules.p_percent)
    return np.asarray(few)


def only_more(setting: Setting, plan: Plan, before: Inputs, after: Inputs, counted: pd.DataFrame) -> bool:
    """Whether nobody contributes less after than before: no event went, nobody left, and nobody is in another class.

    Where a log came of which attributes or links are taken, somebody may be; also who was in no class before.

    Args:
        setting: the home.
        plan: that was counted.
        before: what one state reads.
        after: what the other reads.
        counted: what `counted_changes` says of the two.
    """
    if before.considered != after.considered or not (counted[APART] == counted[MOVED]).all():
        return False
    settled = {attribute.source for attribute in plan.release.attributes.values()}
    settled |= {link.source for link in setting.policies.links}
    if any(before.read.get(source) != after.read.get(source) for source in settled):
        return False
    return all(
        one.digest in {other.digest for other in after.taken.get(source, ())}
        and after.days_left(source, one.digest) <= before.days_left(source, one.digest)
        for source, taken in before.taken.items()
        for one in taken
    )


def changers(linked: Linked, counted: Mapping[str, pd.DataFrame]) -> Floats:
    """Return how many persons changed each cell of a system, as it was counted for some of its issues; else NaN."""
    found = np.full(linked.cells, np.nan)
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue in counted:
            _, figures = _by_row(sheet.codes, sheet.table, sheet.measure.name, counted[sheet.issue])
            found[places] = figures[FOR_THRESHOLD]
    return found


def counted_cells(linked: Linked, name: str, counted: pd.DataFrame) -> Changed:
    """Return what was counted of the cells of an issue; of tables with merged places nothing."""
    apart, persons = np.full(linked.cells, np.nan), np.full(linked.cells, np.nan)
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue == name and not any(dimension.merged for dimension in sheet.dimensions):
            _, figures = _by_row(sheet.codes, sheet.table, sheet.measure.name, counted)
            apart[places], persons[places] = figures[APART], figures[FOR_THRESHOLD]
    return Changed(apart, persons)


def next_version(issue: Issue, counted: pd.DataFrame) -> Issue:
    """Return what a next version of an issue would tell if it showed the figures of the same cells."""
    tables = []
    for table in issue.tables:
        frame = table.frame.copy()
        for measure in table.measures:
            _, figures = _by_row(frame[table.keys], table.name, measure.name, counted)
            frame[measure.name] = frame[measure.name] + pd.Series(figures[APART], index=frame.index)
        tables.append(replace(table, frame=frame))
    return replace(issue, name=f"the version after {issue.name}", tables=tuple(tables))  # type: ignore[arg-type]


def _by_row(
    codes: pd.DataFrame, table: str, measure: str, counted: pd.DataFrame
) -> tuple[Booleans, dict[str, Integers]]:
    """In which rows somebody changed, and the figures of the change; 0 where nobody did."""
    mine = counted[(counted["table"] == table) & (counted["measure"] == measure)]
    if mine.empty:
        return np.zeros(len(codes), dtype=bool), dict.fromkeys(FIGURES, np.zeros(len(codes), dtype=np.int64))
    listed, wanted = (pd.MultiIndex.from_frame(frame[list(codes.columns)].astype(object)) for frame in (mine, codes))
    at = listed.get_indexer(wanted)
    told = {name: mine[name].fillna(0).to_numpy(dtype=np.int64)[at] for name in FIGURES}
    return at >= 0, {name: np.where(at >= 0, figure, 0) for name, figure in told.items()}

"""Suppression: unsafe cells are hidden, and with them whatever would give them away.

All tables of a release are one system of cells, together with every earlier release that shares persons with
it (`audit/system_of.py`). The unsafe cells of it (`unsafe.py`) are hidden; which further ones must be is found in
`disclosure/suppress/suppress.py`, so that every need holds for a reader who solves everything that is published.
What is out already stays as it is: only figures of this release can be hidden.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress as suppress_error
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from anonymization.disclosure.attack.needs import one_each
from anonymization.disclosure.proof import Proof
from anonymization.disclosure.suppress.suppress import suppress
from anonymization.disclosure.system import Booleans, Integers, Problem
from anonymization.errors import InputError, ProtectionError
from anonymization.policy.protection import Method, Suppression, Zeros
from anonymization.policy.releases import MeasureKind
from anonymization.tables.audit.audit import SECONDS, exposures
from anonymization.tables.audit.corrections import told_by
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.knowledge import both, figures_of, public_needs
from anonymization.tables.audit.neighbours import Neighbour
from anonymization.tables.audit.sheets import CANDIDATE, Issue
from anonymization.tables.audit.standing_needs import standing_needs, standing_of
from anonymization.tables.audit.states import of_one_state
from anonymization.tables.audit.system_of import Linked, link
from anonymization.tables.headlines import Why, headline_rows
from anonymization.tables.method import (
    Beside,
    Promise,
    Protected,
    ProtectionMethod,
    Reading,
    Told,
    alone,
    exact,
    held,
    nothing_about_few,
    thresholded,
)
from anonymization.tables.methods.suppression_attack import unmet_needs
from anonymization.tables.methods.suppression_neighbours import Months
from anonymization.tables.methods.unlisted import withhold
from anonymization.tables.methods.unsafe import Rules, Unsafe, hides_zeros, unsafe_cells
from anonymization.tables.model import CONFIDENTIAL, FREE, Measure, SafeTable, Table, cell_text
from anonymization.tables.plan import Plan

ALONE = Months(())
"""Beside no other month."""
MOST_COST = 10_000_000
"""What a headline costs more than other cells, at most: beyond that a solver's numbers are no longer exact."""


def protect(
    tables: Sequence[Table],
    issue: Issue,
    rules: Rules,
    earlier: Sequence[Issue] = (),
    neighbours: Sequence[Neighbour] = (),
    *,
    seconds: float = SECONDS,
) -> Protected:
    """Return the tables as they may be published.

    Guarantees that no figure of 1 to N - 1 persons is published, that the audit finds nothing in the tables
    together with the earlier releases, and that every unsafe cell's need holds over whole numbers, for
    somebody who is the only person of a cell as well. Deterministic.

    Args:
        tables: true tables, every margin; those of `issue`.
        issue: name, period and minimum publishable count of the release.
        rules: what makes a cell unsafe.
        earlier: releases that share persons and are out; of those of another state of the logs what they hide
            stays hidden, as a figure that one version shows and another hides tells of the persons between.
        neighbours: what is out of the months before and after, of stocks.
        seconds: how long it may take.

    Raises:
        ProtectionError: what is out already gives a cell away, whatever is hidden here.
    """
    deadline = time.monotonic() + seconds
    beside = of_one_state(issue, earlier)
    told = {other.name for other in beside}
    corrected = [told_by(issue, other) for other in earlier if other.name not in told]
    linked = link([issue, *beside])
    months = Months.of(linked, issue, beside, neighbours, rules)
    found = _hidden(linked, tables, issue, rules, deadline, corrected, months)
    own = np.unique(np.concatenate(linked.places[: _sheets(tables)]))
    hidden = alone = int(found.cells[own].sum())
    lost = _lost(linked, tables, found)
    if len(linked.sheets) > _sheets(tables) or months.besides:
        by_itself = link([issue])
        of_itself = _hidden(by_itself, tables, issue, rules, deadline)
        alone = int(of_itself.cells.sum())
        without = _lost(by_itself, tables, of_itself)
        lost = {cell: why if cell in without else Why.EARLIER for cell, why in lost.items()}
    more: dict[tuple[str, str], int] = {}
    if months.besides:  # how much of it is for these alone
        else_hidden = of_itself.cells
        if len(linked.sheets) > _sheets(tables):
            else_hidden = _hidden(linked, tables, issue, rules, deadline, corrected).cells
        more = _more(linked, tables, found.cells, else_hidden)
    safe = _safe_tables(tables, linked, found.cells, rules)
    single = {int(cell): int(found.figures[cell]) for cell in found.unsafe.insiders}
    standing = standing_of(linked, issue.name, one_each(both(found.unsafe.needs, months.needs())), single)
    return Protected(
        safe, len(found.unsafe.cells), hidden, max(0, hidden - alone), found.optimal, standing, found.proof, lost, more
    )


def _more(linked: Linked, tables: Sequence[Table], hidden: Booleans, without: Booleans) -> dict[tuple[str, str], int]:
    """How many more cells of each measure are hidden than would be otherwise."""
    rows = ((table.name, measure.name) for table in tables for measure in table.measures)
    at = zip(rows, linked.places, strict=False)
    return {name: max(0, int(hidden[places].sum()) - int(without[places].sum())) for name, places in at}


def _vital(linked: Linked, tables: Sequence[Table]) -> Booleans:
    """The cells that are headlines."""
    found = np.zeros(linked.cells, dtype=bool)
    rows = (headline_rows(t.frame, t.keys, t.headlines) for t in tables for _ in t.measures)
    for at, places in zip(rows, linked.places, strict=False):
        found[places[at]] = True
    return found


def _lost(linked: Linked, tables: Sequence[Table], found: _Hidden) -> dict[tuple[str, str, str], Why]:
    """Headlines that are hidden, though they are not unsafe themselves."""
    lost = found.cells & _vital(linked, tables)
    lost[found.unsafe.cells] = False
    rows = ((table, measure) for table in tables for measure in table.measures)
    return {
        (table.name, measure.name, cell_text(table.keys, codes)): Why.OTHERS
        for (table, measure), places in zip(rows, linked.places, strict=False)
        for codes in table.frame.loc[lost[places], table.keys].to_numpy()
    }


@dataclass(frozen=True)
class _Hidden:
    cells: Booleans
    unsafe: Unsafe
    optimal: bool
    proof: Proof
    figures: Integers


def _sheets(tables: Sequence[Table]) -> int:
    return sum(len(table.measures) for table in tables)


def _hidden(
    linked: Linked,
    tables: Sequence[Table],
    issue: Issue,
    rules: Rules,
    deadline: float,
    corrected: Sequence[Sequence[tuple[Booleans, Booleans]]] = (),
    months: Months = ALONE,
) -> _Hidden:
    """Which cells are hidden, of all that are linked.

    What releases that are corrected have hidden stays hidden, and what they show is hidden only where nothing else
    helps: a figure that one version shows and the other hides tells of the persons between.
    """
    own, out, kept = _states_of(linked, issue)
    value = figures_of(linked)
    unsafe = unsafe_cells(linked, tables, rules, value)
    hidden = kept | ~linked.listed
    shown_before = np.zeros(linked.cells, dtype=bool)
    for of_sheets in corrected:
        for places, (concealed, published) in zip(linked.places, of_sheets, strict=False):
            hidden[places[concealed]] |= value[places[concealed]] > 0
            shown_before[places[published]] = True
    between = months.needs()
    hidden[unsafe.cells] = hidden[between.cell] = True
    if not hidden.any() and len(linked.sheets) == _sheets(tables) and not months.besides:
        return _Hidden(hidden & linked.listed, unsafe, optimal=True, proof=Proof.none(linked.cells), figures=value)
    shown = linked.zeros_shown & ~_may_be_empty(linked, tables, rules)
    if (published := out[unsafe.cells]).any():
        raise _error(linked, unsafe.cells[published], "an earlier release published it, and it is unsafe now")
    problem = Problem(
        relations=linked.relations,
        value=value,
        least=np.maximum(linked.listed & shown, np.where(linked.listed, 0.0, linked.low)),
        most=np.full(linked.cells, np.inf),
        cost=np.where(linked.counted >= 0, value[linked.counted], value),
        open=own & ~out & ((value > 0) | ~shown),
        hidden=hidden,
        needs=one_each(both(both(unsafe.needs, between), standing_needs(linked))),
        insiders=unsafe.insiders,
        contributor=unsafe.contributor,
    )
    vital = _vital(linked, tables) & problem.open & ~hidden
    dear = replace(problem, cost=_priced(problem, vital))
    for shut in (vital | shown_before, shown_before):
        if (shut & problem.open).any():
            with suppress_error(ProtectionError):  # the gate tells what it comes to
                return _solved(linked, replace(dear, open=problem.open & ~shut), unsafe, deadline, months)
    return _solved(linked, dear, unsafe, deadline, months)


def _priced(problem: Problem, vital: Booleans) -> Integers:
    """What it costs to hide each cell, where a headline costs more than all other cells together."""
    others = int(problem.cost[problem.open & ~vital].sum())
    return np.asarray(problem.cost + np.where(vital, min(others, MOST_COST) + 1, 0))


def _may_be_empty(linked: Linked, tables: Sequence[Table], rules: Rules) -> Booleans:
    """Cells of tables that hide zeros too: a hidden one may be without anybody."""
    empty = np.zeros(linked.cells, dtype=bool)
    hiding = [hides for table in tables for hides in [hides_zeros(table, rules)] * len(table.measures)]
    for hides, places in zip(hiding, linked.places, strict=False):
        empty[places] |= hides
    return empty


def _solved(linked: Linked, problem: Problem, unsafe: Unsafe, deadline: float, months: Months) -> _Hidden:
    """Hide until nothing is given away by what is published alone either, in what others published as well."""
    given = np.zeros(0, dtype=np.int64)
    problem = months.settled(problem)
    while True:
        try:
            pattern = suppress(problem, watch=unsafe.watch, deadline=deadline)
        except ProtectionError as error:
            needs = problem.needs
            stuck = np.isin(needs.cell, error.cells) & np.isfinite(needs.floor)
            if stuck.any():  # no less is possible, whatever is hidden: everybody knows it
                problem = replace(problem, needs=replace(needs, floor=np.where(stuck, np.inf, needs.floor)))
                continue
            raise _error(linked, np.array(error.cells), "what is out already gives it away") from None
        value = np.where(pattern.hidden, np.nan, problem.value)
        published = replace(linked, value=value, zeros_shown=problem.least > 0)
        shown = (problem.value, pattern.proof)
        found = np.array([e.cell for e in exposures(published, deadline=deadline, shown=shown)], dtype=np.int64)
        fresh = np.setdiff1d(found, given)
        if not len(found):
            if len(more := months.more(problem, pattern.hidden)):
                problem = replace(problem, hidden=problem.hidden | np.isin(np.arange(linked.cells), more))
                problem = months.settled(problem)
                continue
            return _Hidden(pattern.hidden & linked.listed, unsafe, pattern.optimal, pattern.proof, problem.value)
        if not len(fresh):
            raise _error(linked, found, "what is out already gives it away")
        given = np.union1d(given, fresh)
        public = public_needs(published)
        needs = both(problem.needs, public.take(np.isin(public.cell, np.setdiff1d(fresh, problem.needs.cell))))
        problem = replace(problem, needs=needs, hidden=problem.hidden | np.isin(np.arange(linked.cells), fresh))


def _states_of(linked: Linked, issue: Issue) -> tuple[Booleans, Booleans, Booleans]:
    """Which cells are this issue's, which others have published, and which others have hidden."""
    own, out, kept = (np.zeros(linked.cells, dtype=bool) for _ in range(3))
    for sheet, places in zip(linked.sheets, linked.places, strict=True):
        if sheet.issue == issue.name:
            own[places] = True
        else:
            shown = ~np.isnan(sheet.value)
            out[places[shown]] = True
            kept[places[~shown]] = True
    return own, out, kept


def _error(linked: Linked, cells: Integers, why: str) -> ProtectionError:
    names = ["{}, {}.{}, {}".format(*linked.name(int(cell))) for cell in cells[:3]]
    return ProtectionError(f"{len(cells)} cells cannot be protected: {why}; {'; '.join(names)}", cells.tolist())


def _safe_tables(tables: Sequence[Table], linked: Linked, hidden: Booleans, rules: Rules) -> tuple[SafeTable, ...]:
    number = 0
    found = []
    for table in tables:
        frame = table.frame[table.keys].copy()
        for measure in table.measures:
            at = hidden[linked.places[number]]
            number += 1
            frame[measure.name] = table.frame[measure.name].astype("Int64").mask(at)
            frame[f"{measure.name}_status"] = np.where(at, CONFIDENTIAL, FREE)
        if table.days:
            frame["days"] = table.frame["days"]
        shown = not hides_zeros(table, rules)
        safe = SafeTable(
            table.name, table.title, table.dimensions, table.measures, frame, rules.minimum_count,
            days=table.days, zeros_shown=shown, method=Method.SUPPRESSION,
        )  # fmt: skip
        found.append(safe)
    return tuple(found)


def rules_of(plan: Plan) -> Rules:
    """Return what makes a cell of a release unsafe."""
    protection = cast("Suppression", plan.release.protection)
    dominance = (protection.dominance.persons, protection.dominance.percent)
    sensitive = frozenset(protection.sensitive)
    return Rules(plan.minimum_count, dominance, protection.p_percent, sensitive, groups=True)


def suppressed(
    plan: Plan, true: tuple[Table, ...], earlier: Sequence[Issue] = (), neighbours: Sequence[Neighbour] = ()
) -> Protected:
    """Return the tables with unsafe figures hidden or, if the release withholds zeros, not listed."""
    if plan.withheld:
        return alone(withhold(true, plan.minimum_count))
    return protect(true, Issue(CANDIDATE, plan.period, true, plan.minimum_count), rules_of(plan), earlier, neighbours)


class _Suppression:
    """See `tables/method.py`."""

    record_keys, drawn = False, False
    largest: Collection[MeasureKind] = (MeasureKind.TOTAL,)

    def require(self, plan: Plan, protection: Suppression) -> None:
        """Any release can be protected so, but what is merged is counted by ids."""
        for table in plan.tables if protection.merge is not None else ():
            if any(plan.counts_holders(table, measure.source) for measure in table.measures):
                raise InputError(
                    f"table {table.name!r}: `merge` counts ids, but some of them are one person's, by the log"
                    f" {plan.judging or 'of days'!r}: add it to `sources`, or declare no `merge`"
                )

    def bound(self, facts: str, dimensions: int, measures: Sequence[Measure], protection: Suppression) -> str:
        """A person contributes what the person did."""
        return facts

    def protect(
        self, plan: Plan, protection: Suppression, tables: Callable[[], tuple[Table, ...]], beside: Beside
    ) -> Protected:
        """Unsafe figures are hidden or, if the release withholds zeros, not listed."""
        if plan.withheld:
            return suppressed(plan, tables())
        return suppressed(plan, tables(), beside.earlier(), beside.neighbours())

    def expected(self, recounted: pd.DataFrame, protection: Suppression) -> pd.Series:
        """The recounted figure itself."""
        return recounted["recounted"]

    def attack(
        self,
        issue: Issue,
        true: Sequence[Table],
        plan: Plan,
        protection: Suppression,
        earlier: Sequence[Issue],
        proof: Proof | None,
    ) -> tuple[Finding, ...]:
        """Unsafe cells whose interval is narrower than they need."""
        return unmet_needs(issue, true, rules_of(plan), earlier, proof=proof)

    def read(self, table: SafeTable, measure: Measure, noise: object) -> Reading:
        """Figures are exact."""
        return Reading(exact(table, measure))

    def errors(self, plan: Plan, protection: Suppression, tables: Sequence[SafeTable]) -> tuple[SafeTable, ...]:
        """None: figures are exact."""
        return tuple(tables)

    def promised(self, plan: Plan, protection: Suppression) -> tuple[Promise, ...]:
        """Figures are exact."""
        return ()

    def described(self, protection: Suppression) -> dict[str, object]:
        """The threshold; what hides a total is nobody's affair."""
        return thresholded(protection)

    def told(self, protection: Suppression) -> Told:
        """Exact figures, of which some are hidden, merged or not listed."""
        nothing = nothing_about_few(protection.minimum_count).capitalize()
        if protection.merge is not None:
            dossier = f"{nothing}: so few are counted in the rest of the {protection.merge} above."
        elif protection.zeros is Zeros.WITHHELD:
            dossier = f"{nothing}: such classes are not listed, nor any sum over them."
        else:
            dossier = f"{nothing}, no total that two persons dominate, and no figures from which either follows."
        return Told(held(protection.minimum_count), zeros=True, reading=(), dossier=dossier)

    def parameters(self, protection: Suppression) -> str:
        """None: exact figures are the same, whatever hides some of them."""
        return ""

    def cost(self, protection: Suppression) -> None:
        """Nothing."""


METHOD: ProtectionMethod = _Suppression()

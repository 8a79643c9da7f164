"""Tables protected by differential privacy: noise on bounded contributions, for every margin that is declared.

A margin is a choice, for each dimension, of one of its levels or the total. The release's budget is divided equally
over all margins of all measures of all its tables; costs add up (Bun & Steinke 2016 for rho; basic composition for
epsilon and delta). What one person moves in a margin follows from the bounds on the facts:

* persons: one in each cell that the person is in. These are at most `max_cells`, or fewer where the margin has fewer;
  one alone where every event dimension is the total.
* totals: `max_per_cell` in each of at most `max_cells` finest cells; in a coarser margin they may meet in one cell.

Where every code of a margin's dimensions is known beforehand, all of its cells are published, those without anybody
too. Else classes are selected: a class shows where its noisy number of persons reaches a threshold, so that the mere
listing of a class tells of a person with a chance of at most delta.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.disclosure.proof import Proof
from anonymization.errors import InputError, PolicyRefusal
from anonymization.policy.protection import Cost, DifferentialPrivacy, Mechanism, Method
from anonymization.policy.releases import DimensionKind, MeasureKind
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.method import Beside, Promise, Protected, ProtectionMethod, Told, alone
from anonymization.tables.methods.cell_key_noise import PRECISION
from anonymization.tables.methods.mechanisms import (
    Kind,
    Sensitivity,
    accuracy,
    noised,
    scale_of,
    selected,
    threshold_of,
)
from anonymization.tables.model import (
    CONFIDENTIAL,
    ERROR_LEVEL,
    FREE,
    TOTAL,
    Dimension,
    Measure,
    SafeTable,
    Table,
    level_columns,
    with_errors,
)
from anonymization.tables.plan import Plan, TablePlan, with_codes

if TYPE_CHECKING:
    from anonymization.tables.methods.consistent import Fitted

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Levels = tuple[str, ...]
"""A margin: a level of each dimension, or the total."""


SEPARATOR = "\x1f"
AS_DRAWN = (
    "Figures carry random noise, and may be negative: they are right on average, also in sums, so do not cut them off",
    "at zero before adding.",
)
FITTED = (
    "Figures carry random noise, and were then made to fit each other: they add up as exact ones do, none is negative,",
    "and persons are no more than events, but where combinations are not listed. Where few persons are, figures are a",
    "little too high on average.",
)
"""How figures are to be read, as lines of README.md."""
UNIT = "a person in a calendar month"
"""What is protected: everything that one person did in it."""


class Shape(Protocol):
    """What a table is, whatever it holds: a declared, a true and a published one alike."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def title(self) -> Mapping[str, str]:
        """Its title."""

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """Its dimensions."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Its measures."""


def require_bounds(plan: Plan) -> None:
    """Refuse a release whose persons are not apart from each other, or whose tables need a delta and declare none.

    A cookie of a linked source is a member's where all sign-ins of the period agree on one: what one person does
    may decide whose another's events are, so bounds on a person's own contributions would not bound a person.

    Raises:
        PolicyRefusal: the source.
        InputError: the table.
    """
    protection = plan.release.protection
    if not isinstance(protection, DifferentialPrivacy):
        return
    read = {m.source for table in plan.tables for m in table.measures} | {a.source for a in plan.attributes.values()}
    for source in sorted(read & plan.linked):
        raise PolicyRefusal(
            f"release {plan.release.release!r}: persons of source {source!r} are joined by links, which one person's"
            " events may change for another; differential privacy needs sources whose persons stand apart"
        )
    for table in plan.tables:
        if protection.delta is None and any(not d.complete for d in table.dimensions):
            raise InputError(
                f"table {table.name!r} has a dimension without a code list, whose classes are selected: declare"
                " `protection.delta`"
            )


@dataclass(frozen=True)
class Shares:
    """What each margin of a measure may cost.

    Attributes:
        cost: of the noise, in rho or epsilon.
        delta: of the selection, where there is one.
    """

    cost: Decimal
    delta: Decimal


def shares(tables: Sequence[Shape], protection: DifferentialPrivacy) -> Shares:
    """Return the equal shares of the budget: what all margins cost together is what was declared, or less."""
    figures = sum(len(list(margins(table))) * len(table.measures) for table in tables)
    selections = sum(
        len({m.population for m in table.measures}) for table in tables for levels in margins(table)
        if not whole(table, levels)
    )  # fmt: skip
    with localcontext(PRECISION) as context:
        context.rounding = "ROUND_DOWN"
        cost = (protection.rho if protection.rho is not None else protection.epsilon or Decimal(0)) / figures
        delta = (protection.delta or Decimal(0)) / max(selections, 1)
    return Shares(cost, delta)


def margins(table: Shape) -> Iterator[Levels]:
    """Yield a table's margins, the finest first."""
    yield from itertools.product(*((*dimension.levels, TOTAL) for dimension in table.dimensions))


def whole(table: Shape, levels: Levels) -> bool:
    """Whether every cell of a margin is known beforehand."""
    return all(d.complete for d, level in zip(table.dimensions, levels, strict=True) if level != TOTAL)


def sensitivity(table: Shape, measure: Measure, levels: Levels, protection: DifferentialPrivacy) -> Sensitivity:
    """Return how far one person moves a margin of a measure."""
    event = [(d, level) for d, level in zip(table.dimensions, levels, strict=True) if d.kind is DimensionKind.EVENT]
    most = _at_most(protection.max_cells, [(d, d.levels[0]) for d, _ in event])
    cells = min(most, _at_most(most, [(d, level) for d, level in event if level != TOTAL]))
    if measure.how.persons:
        return Sensitivity(cells, 1, cells, math.sqrt(cells))
    each = protection.max_per_cell or 0
    if all(level == d.levels[0] for d, level in event):
        return Sensitivity(cells, each, cells * each, math.sqrt(cells) * each)
    return Sensitivity(cells, most * each, most * each, float(most * each))


def _at_most(bound: int, of: Sequence[tuple[Dimension, str]]) -> int:
    """The bound, or the number of combinations of codes where that is known and less."""
    if not all(d.complete for d, _ in of):
        return bound
    return min(bound, math.prod(sum(at == level for at in d.level_of.values()) for d, level in of))


def scales(tables: Sequence[Shape], protection: DifferentialPrivacy) -> dict[tuple[str, str, Levels], float]:
    """Return the scale of the noise by table, measure and margin."""
    each, kind = shares(tables, protection), kind_of(protection)
    return {
        (table.name, measure.name, levels): scale_of(kind, sensitivity(table, measure, levels, protection), each.cost)
        for table in tables
        for measure, levels in itertools.product(table.measures, margins(table))
    }


def kind_of(protection: DifferentialPrivacy) -> Kind:
    """Return the kind of noise."""
    return "gaussian" if protection.mechanism is Mechanism.GAUSSIAN else "laplace"


def drawn(tables: Sequence[Table], protection: DifferentialPrivacy) -> tuple[SafeTable, ...]:
    """Return the tables with noise: every call draws anew, and so spends anew.

    Guarantees differential privacy of all tables together, at the declared cost, for a person in a key period, if
    the facts were bounded as declared. Figures may be negative. A class that was not selected has no row; where one
    population of a table shows it and another does not, the other's figure is confidential.
    """
    each, scale = shares(tables, protection), scales(tables, protection)
    return tuple(_drawn(table, protection, each, scale) for table in tables)


def _drawn(
    table: Table, protection: DifferentialPrivacy, each: Shares, scale: dict[tuple[str, str, Levels], float]
) -> SafeTable:
    level = level_columns(table)
    frames = []
    for levels in margins(table):
        at = np.logical_and.reduce([own == wanted for own, wanted in zip(level, levels, strict=True)])
        cells = table.frame[at].reset_index(drop=True)
        if whole(table, levels):
            cells = every_cell(table, levels).merge(cells, how="left", on=table.keys)
        columns = []
        for population in dict.fromkeys(m.population for m in table.measures):
            measures = [m for m in table.measures if m.population == population]
            columns += _figures(table, measures, cells, levels, protection, each, scale)
        shown = pd.concat(columns, axis=1).dropna(how="all")
        frames.append(cells.loc[shown.index, table.keys].join(shown))
    frame = pd.concat(frames, ignore_index=True).sort_values(table.keys, kind="stable", ignore_index=True)
    whole_columns = {key: frame[key].astype(object) for key in table.keys}
    for measure in table.measures:
        whole_columns[measure.name] = frame[measure.name]
        whole_columns[f"{measure.name}_status"] = frame[measure.name].isna().map({False: FREE, True: CONFIDENTIAL})
    return published(table, pd.DataFrame(whole_columns))


def consistent(plan: Plan, protection: DifferentialPrivacy, tables: Sequence[SafeTable]) -> tuple[Fitted, ...]:
    """Return noisy tables with figures that fit each other, or as they are where the release declares so.

    Raises:
        GateRefusal: a cell that is known beforehand has no figure, or the solver did not come to an end.
    """
    from anonymization.tables.methods.consistent import Fitted, fitted  # noqa: PLC0415 - scipy, for what is fitted alone

    if not protection.consistent:
        return tuple(Fitted(table, ()) for table in tables)
    kind = kind_of(protection)
    return tuple(
        fitted(declared, table, scale, kind) for declared, table, scale in beside_scales(plan, protection, tables)
    )


def beside_scales(
    plan: Plan, protection: DifferentialPrivacy, tables: Sequence[SafeTable]
) -> Iterator[tuple[TablePlan, SafeTable, dict[str, Floats]]]:
    """Yield each table with its plan before it and, of each measure, the scale of the noise of each row."""
    of, declared = scales(plan.tables, protection), {table.name: table for table in plan.tables}
    for table in tables:
        rows = levels_of(table)
        scale = {m.name: np.array([of[table.name, m.name, levels] for levels in rows]) for m in table.measures}
        yield declared[table.name], table, scale


def levels_of(table: SafeTable) -> list[Levels]:
    """Return the margin that each row of a published table is of."""
    return list(zip(*level_columns(table), strict=True))


def every_cell(table: Shape, levels: Levels) -> pd.DataFrame:
    """Return every cell of a margin whose codes are all known."""
    codes = [
        [TOTAL] if level == TOTAL else [code for code in sorted(d.parents) if d.level_of[code] == level]
        for d, level in zip(table.dimensions, levels, strict=True)
    ]
    return pd.DataFrame(itertools.product(*codes), columns=[d.name for d in table.dimensions], dtype=object)


def _figures(
    table: Table,
    measures: Sequence[Measure],
    cells: pd.DataFrame,
    levels: Levels,
    protection: DifferentialPrivacy,
    each: Shares,
    scale: dict[tuple[str, str, Levels], float],
) -> list[pd.Series]:
    """One population's noisy figures of a margin: persons first, who decide which classes show."""
    kind, found = kind_of(protection), []
    persons = next(m for m in measures if m.how.persons)
    for measure in [persons, *(m for m in measures if m is not persons)]:
        values = cells[measure.name].fillna(0).to_numpy(dtype=np.int64)
        noise = scale[table.name, measure.name, levels]
        if measure is persons and not whole(table, levels):
            cells = cells[values > 0]
            moved = sensitivity(table, persons, levels, protection)
            threshold = threshold_of(kind, moved, noise, each.cost, each.delta)
            at, figures = selected(values[values > 0], kind, noise, threshold)
            cells = cells.iloc[at]
        else:
            figures = noised(values, kind, noise)
        found.append(pd.Series(figures, index=cells.index, name=measure.name, dtype="Int64"))
    return found


def published(shape: Shape, frame: pd.DataFrame) -> SafeTable:
    """Return a table of noisy figures, whose code lists have only the codes that show."""
    dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in shape.dimensions)
    return SafeTable(
        shape.name, shape.title, dimensions, shape.measures, frame, DifferentialPrivacy.minimum_count,
        withheld=any(not d.complete for d in dimensions), method=Method.DIFFERENTIAL_PRIVACY,
    )  # fmt: skip


def bounded(facts: str, dimensions: int, protection: DifferentialPrivacy, measures: Sequence[Measure]) -> str:
    """Return facts in which each person has at most `max_cells` rows, and at most `max_per_cell` in each total of one.

    Which rows a person keeps is decided by a hash of the person's pseudonym and the cell: equal on every engine and
    in every run, even over a person's cells, and keyed, because the pseudonym is an HMAC under the period's key. It
    depends on the person's own rows alone, as the sensitivity of the tables asks for.
    """
    cells = [f"d{i}" for i in range(dimensions)]
    text = "".join(f" || '{SEPARATOR}' || COALESCE(CAST({cell} AS VARCHAR), '')" for cell in cells)
    order = ", ".join([f"TEXT_HASH(CAST(p AS VARCHAR){text})", *cells])
    most = protection.max_per_cell
    totals = "".join(
        f", CASE WHEN m{i} > {most} THEN {most} WHEN m{i} > 0 THEN m{i} ELSE 0 END AS m{i}"
        for i, measure in enumerate(measures)
        if measure.how.sums
    )
    ranked = f"SELECT f.*, row_number() OVER (PARTITION BY p ORDER BY {order}) AS place FROM ({facts}) AS f"
    kept = ", ".join(["p", *cells, "days"])
    return f"SELECT {kept}{totals} FROM ({ranked}) AS ranked WHERE place <= {protection.max_cells}"


class _DifferentialPrivacy:
    """See `tables/method.py`."""

    record_keys, drawn = False, True
    largest: Collection[MeasureKind] = ()

    def require(self, plan: Plan, protection: DifferentialPrivacy) -> None:
        """Persons stand apart, a delta is declared where classes are selected, and not too many figures are to fit."""
        require_bounds(plan)
        if protection.consistent:
            from anonymization.tables.methods.consistent import require_solvable  # noqa: PLC0415 - see `consistent`

            require_solvable(plan.tables)

    def bound(self, facts: str, dimensions: int, measures: Sequence[Measure], protection: DifferentialPrivacy) -> str:
        """At most `max_cells` rows a person, and `max_per_cell` in each total of one."""
        return bounded(facts, dimensions, protection, measures)

    def protect(
        self, plan: Plan, protection: DifferentialPrivacy, tables: Callable[[], tuple[Table, ...]], beside: Beside
    ) -> Protected:
        """Noise that was drawn before is not drawn again: then the tables are not even counted."""
        noisy = beside.stored() or beside.store(drawn(tables(), protection))
        return alone(tuple(one.table for one in consistent(plan, protection, noisy)))

    def expected(self, recounted: pd.DataFrame, protection: DifferentialPrivacy) -> pd.Series:
        """The figure before its noise."""
        return recounted["recounted"]

    def attack(
        self,
        issue: Issue,
        true: Sequence[Table],
        plan: Plan,
        protection: DifferentialPrivacy,
        earlier: Sequence[Issue],
        proof: Proof | None,
    ) -> tuple[Finding, ...]:
        """Nothing is to be found: no true figure is hidden, as none is published."""
        return ()

    def read(self, table: SafeTable, measure: Measure, noise: object) -> None:
        """Figures do not add up with any others."""

    def errors(self, plan: Plan, protection: DifferentialPrivacy, tables: Sequence[SafeTable]) -> tuple[SafeTable, ...]:
        """What follows from the scale of a figure's noise; of figures made to fit, by draws of that noise."""
        from anonymization.tables.methods.consistent import errors_of  # noqa: PLC0415 - see `consistent`

        kind, found = kind_of(protection), []
        for declared, table, scale in beside_scales(plan, protection, tables):
            if protection.consistent:
                errors = errors_of(declared, table, scale, kind)
            else:
                within = {one: accuracy(kind, one, ERROR_LEVEL) for one in {*np.concatenate(list(scale.values()))}}
                errors = {name: np.array([within[one] for one in own]) for name, own in scale.items()}
            found.append(with_errors(table, errors))
        return tuple(found)

    def promised(self, plan: Plan, protection: DifferentialPrivacy) -> tuple[Promise, ...]:
        """What scales say, of figures as they are published: `differential_privacy_promised.py`."""
        from anonymization.tables.methods.differential_privacy_promised import promised  # noqa: PLC0415 - see `consistent`

        return promised(plan, protection)

    def described(self, protection: DifferentialPrivacy) -> dict[str, object]:
        """Everything is public."""
        spent = {"rho": protection.rho, "epsilon": protection.epsilon, "delta": protection.delta}
        bounds = {"max_cells": protection.max_cells, "max_per_cell": protection.max_per_cell}
        return {
            "method": protection.method,
            "mechanism": protection.mechanism.value,
            "unit": UNIT,
            **{name: f"{amount:f}" for name, amount in spent.items() if amount is not None},
            **{name: bound for name, bound in bounds.items() if bound is not None},
            "figures": "made to fit each other" if protection.consistent else "as drawn",
        }

    def told(self, protection: DifferentialPrivacy) -> Told:
        """Figures with random noise."""
        block = self.described(protection)
        stated = ", ".join(f"{name} {block[name]}" for name in block if name not in ("method", "mechanism"))
        how = FITTED if protection.consistent else AS_DRAWN
        return Told(
            notice=(
                "It holds no information about an\nindividual: every figure carries random noise, so that it would be"
                " about as likely if any one person were left out\n(differential privacy; `datapackage.json` says how"
                " much)."
            ),
            zeros=False,
            reading=(
                *how,
                "A combination that is not listed has few persons, or none. Each person counts in at most",
                f"{protection.max_cells} of the finest cells of a table. Of figures with `<measure>_error` beside",
                "them, 95 % or more are within so much of what they would be without noise.",
            ),
            dossier=f"Differential privacy ({protection.mechanism} noise): {stated}.",
        )

    def parameters(self, protection: DifferentialPrivacy) -> str:
        """None: what several releases tell together is what they cost together."""
        return ""

    def cost(self, protection: DifferentialPrivacy) -> Cost:
        """What the declaration says."""
        return Cost(protection.cost, protection.delta or Decimal(0))


METHOD: ProtectionMethod = _DifferentialPrivacy()

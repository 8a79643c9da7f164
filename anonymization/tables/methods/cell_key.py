"""Tables protected by cell keys: the threshold on true counts, and noise that the same persons always bring with them.

Every person has a secret number, the record key (`counting/record_keys.py`). The sum over the persons of a figure is
its cell key, by which noise is looked up (`cell_key_noise.py`). A total, or person-days, to which persons contribute
more or less, has noise that is scaled by the largest contribution (`cell_key_magnitudes.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.disclosure.proof import Proof
from anonymization.errors import IntegrityError, ProtectionError
from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey, Method
from anonymization.policy.releases import MeasureKind
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import CANDIDATE, Issue
from anonymization.tables.counting.codes import denominators
from anonymization.tables.counting.record_keys import RECORD_KEYS, key_column
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
from anonymization.tables.methods.cell_key_attack import pinned, unpinned
from anonymization.tables.methods.cell_key_magnitudes import Magnitudes
from anonymization.tables.methods.cell_key_noise import Perturbation, perturbation
from anonymization.tables.model import (
    CONFIDENTIAL,
    ERROR_LEVEL,
    FREE,
    TOTAL,
    Measure,
    SafeTable,
    Table,
    figures,
    with_errors,
)
from anonymization.tables.plan import Plan, with_codes

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
OF_TOTALS = (
    "The noise of a total is larger where one person contributes much to it. Its error is what it may be at most, of",
    "any total of that size; most are nearer.",
)
"""How totals are to be read, as lines of README.md."""
GREATEST = 10**15
"""A total in which whoever contributes most is nobody."""
MOST_DAYS = 31
"""Nobody has more person-days: record keys, and so figures, are of days of one calendar month."""


def table_of(protection: CellKey) -> Perturbation:
    """Return the perturbation table of a declaration."""
    return perturbation(protection.deviation, protection.variance, protection.forbidden)


def perturbed(tables: Sequence[Table], protection: CellKey, *, withheld: bool = False) -> tuple[SafeTable, ...]:
    """Return the tables as they may be published.

    Guarantees: a cell of 1..N-1 persons is hidden, and no other, with its totals; a cell without anybody stays 0; every
    other number of persons is within D of the true one and never negative, totals as `Magnitudes.perturbed` says; the
    same persons, contributing the same, give the same figure in every table. The figures do not add up. With
    `withheld`, hidden cells are not listed.

    Args:
        tables: true tables with their sums of record keys (`key_column`), totals with their largest contributions.
        protection: how they are protected.
        withheld: whether hidden cells are left out.
    """
    return tuple(_perturbed(table, protection, withheld=withheld) for table in tables)


def _perturbed(table: Table, protection: CellKey, *, withheld: bool) -> SafeTable:
    columns: dict[str, object] = {key: table.frame[key] for key in table.keys}
    for measure in table.measures:
        true, keys = table.frame[measure.name], table.frame[key_column(measure)].to_numpy()
        persons = next(m for m in table.measures if m.population == measure.population and m.how.persons)
        hidden = pd.Series(table.few(persons, protection.minimum_count), index=true.index)
        if measure is persons:
            figures = table_of(protection).perturbed(true.to_numpy(), keys)
        else:
            first = table.largest[measure.name]["first"].to_numpy()
            figures = Magnitudes.of(protection).perturbed(true.to_numpy(), first, keys)
        columns[measure.name] = pd.Series(figures, index=true.index).astype("Int64").mask(hidden)
        columns[f"{measure.name}_status"] = pd.Series(FREE, index=true.index).mask(hidden, CONFIDENTIAL)
    if table.days:
        columns["days"] = table.frame["days"]
    frame, dimensions = pd.DataFrame(columns), table.dimensions
    if withheld:
        listed = pd.concat([frame[f"{m.name}_status"] == FREE for m in table.measures], axis=1).any(axis=1)
        frame = frame[listed].reset_index(drop=True)
        dimensions = tuple(with_codes(d, set(frame[d.name].unique())) for d in dimensions)
    return SafeTable(
        table.name, table.title, dimensions, table.measures, frame, protection.minimum_count,
        days=table.days, withheld=withheld, method=Method.CELL_KEY,
    )  # fmt: skip


def with_noise(
    true: tuple[Table, ...], protection: CellKey, period: Period, *, name: str = CANDIDATE, withheld: bool = False
) -> tuple[SafeTable, ...]:
    """Return the tables with the noise of cell keys; what is hidden stays uncertain before who knows the noise."""
    noisy = perturbed(true, protection, withheld=withheld)
    return noisy if withheld else unpinned(Issue(name, period, noisy, protection.minimum_count, protection), true)


def bounds(table: SafeTable, measure: Measure, protection: CellKey) -> tuple[Floats, Floats]:
    """Return the least and greatest true count of each cell, as a reader who knows D and N has them.

    A published figure f > 0 stands for max(N, f-D)..f+D; a hidden cell for somebody, where every empty one
    is shown; a published 0 for nobody, unless noise may bring N down to it. A total stands for what the noise of the
    largest contribution reaches that anybody can make.
    """
    least, deviation = protection.minimum_count, protection.deviation
    figure = figures(table, measure)
    hidden = (table.frame[f"{measure.name}_status"] != FREE).to_numpy()
    if not measure.how.persons:
        shown = np.where(hidden, 0, np.nan_to_num(figure)).astype(np.int64)
        reach = np.array(Magnitudes.of(protection).spans(shown.tolist(), most_of(protection, measure)))
        reach[_nobody(table, measure, protection)] = 0
        return np.where(hidden, 0.0, np.maximum(0, shown - reach)), np.where(hidden, np.inf, shown + reach)
    low = np.where(figure == 0, 0.0, np.maximum(least, figure - deviation))
    high = np.where((figure == 0) & (deviation < least), 0.0, figure + deviation)
    return np.where(hidden, float(table.zeros_shown), low), np.where(hidden, np.inf, high)


def _nobody(table: SafeTable, measure: Measure, protection: CellKey) -> npt.NDArray[np.bool_]:
    """Where a published 0 says that nobody is there: noise cannot bring N persons down to it."""
    return np.asarray(
        (exact(table, table.persons_of(measure)) == 0) & (protection.deviation < protection.minimum_count)
    )


def most_of(protection: CellKey, measure: Measure) -> int:
    """Return what nobody contributes more than to a total, as declared, or of person-days.

    Of another release's total, which the declaration does not name, nothing is known: it is anything.
    """
    return MOST_DAYS if measure.how.days else protection.most_per_person.get(measure.name, GREATEST)


def require_bounds(tables: Sequence[Table], protection: CellKey) -> None:
    """Refuse totals to which somebody contributes more than is declared: their errors would be stated too small.

    Raises:
        ProtectionError: which total.
    """
    for table in tables:
        for measure in (m for m in table.measures if not m.how.persons):
            _require_bound(table.largest[measure.name]["first"].max(), measure.name, protection, measure.how.days)


def _require_bound(first: int, name: str, protection: CellKey, days: bool) -> None:  # noqa: FBT001
    if not days and first > protection.most_per_person[name]:
        raise ProtectionError(
            f"measure {name!r}: somebody contributes more than `protection.most_per_person` says, "
            f"{protection.most_per_person[name]:,}; declare what nobody exceeds"
        )


def stated_error(protection: CellKey) -> int:
    """Return within how many persons of the true ones figures are, at least `ERROR_LEVEL` of those of any count.

    It is rounded up to 1, 2 or 5 times a power of ten: it then says that the noise reaches at least about so far, and
    sets no bound to it, as D would.
    """
    return _rounded_up(table_of(protection).within(protection.minimum_count, ERROR_LEVEL))


def _rounded_up(least: int) -> int:
    power = 1
    while least > 5 * power:
        power *= 10
    return next(size * power for size in (1, 2, 5) if size * power >= least)


def stated_errors_of_totals(plan: Plan, protection: CellKey, table: SafeTable, measure: Measure) -> Integers:
    """Return within how much of the true ones totals or person-days are, `ERROR_LEVEL` of figures or more.

    They follow from the figure as it is published and from what nobody contributes more than, rounded up in the same
    way: an error that followed from the largest contribution would tell of it.
    """
    figure = np.nan_to_num(figures(table, measure)).astype(np.int64)
    most = np.full(len(figure), most_of(protection, measure), dtype=np.int64)
    if measure.how.days:
        declared = next(declared for declared in plan.tables if declared.name == table.name)
        most = np.minimum(most, denominators(plan, declared, table.frame).to_numpy())
    pairs, at = np.unique(np.stack([figure, most]), axis=1, return_inverse=True)
    within = Magnitudes.of(protection).within(pairs[0].tolist(), pairs[1].tolist(), ERROR_LEVEL)
    return np.array([_rounded_up(one) for one in within], dtype=np.int64)[at.ravel()]


class _CellKey:
    """See `tables/method.py`."""

    record_keys, drawn = True, False
    largest: Collection[MeasureKind] = (MeasureKind.PERSON_DAYS, MeasureKind.TOTAL)

    def require(self, plan: Plan, protection: CellKey) -> None:
        """Whatever the policy folder lets through."""

    def bound(self, facts: str, dimensions: int, measures: Sequence[Measure], protection: CellKey) -> str:
        """A person contributes what the person did."""
        return facts

    def protect(
        self, plan: Plan, protection: CellKey, tables: Callable[[], tuple[Table, ...]], beside: Beside
    ) -> Protected:
        """The same persons bring the same noise everywhere: what is out changes nothing, so `beside` is not asked."""
        true = tables()
        require_bounds(true, protection)
        return alone(with_noise(true, protection, plan.period, withheld=plan.withheld))

    def expected(self, recounted: pd.DataFrame, protection: CellKey) -> pd.Series:
        """What the recount's own cell keys and largest contributions lead to; of none larger than is declared."""
        if RECORD_KEYS not in recounted.columns:
            raise IntegrityError("the recount brought no cell keys")
        total = recounted["first"].notna() if "first" in recounted else recounted["recounted"].isna()
        found = pd.Series(0, index=recounted.index, dtype="int64")
        counts, keys = (recounted.loc[~total, name].to_numpy(dtype=np.int64) for name in ("recounted", RECORD_KEYS))
        found[~total] = table_of(protection).perturbed(counts, keys)
        for name, rows in recounted[total].groupby("measure"):
            sums, first, keys = (
                rows[column].to_numpy(dtype=np.int64) for column in ("recounted", "first", RECORD_KEYS)
            )
            _require_bound(first.max(), str(name), protection, name not in protection.most_per_person)
            found[rows.index] = Magnitudes.of(protection).perturbed(sums, first, keys)
        return found

    def attack(
        self,
        issue: Issue,
        true: Sequence[Table],
        plan: Plan,
        protection: CellKey,
        earlier: Sequence[Issue],
        proof: Proof | None,
    ) -> tuple[Finding, ...]:
        """Hidden numbers of few persons that are pinned before who knows the noise."""
        return pinned(replace(issue, noise=protection), true)

    def read(self, table: SafeTable, measure: Measure, noise: CellKey | None) -> Reading | None:
        """Where the noise is known each figure is a span; a zero is exact where noise cannot bring N down to it."""
        if noise is None:
            return None
        low, high = bounds(table, measure, noise)
        nobody = (exact(table, measure) == 0) & (noise.deviation < noise.minimum_count)
        return Reading(np.where(nobody, 0.0, np.nan), low, high)

    def errors(self, plan: Plan, protection: CellKey, tables: Sequence[SafeTable]) -> tuple[SafeTable, ...]:
        """One for all numbers of persons, and of totals by their figures; where nobody is shown to be there, none."""
        error, found = stated_error(protection), []
        for table in tables:
            of = {
                m.name: np.full(len(table.frame), error)
                if m.how.persons
                else stated_errors_of_totals(plan, protection, table, m)
                for m in table.measures
            }
            nobody = {m.name: _nobody(table, m, protection) for m in table.measures}
            found.append(with_errors(table, {name: np.where(nobody[name], 0, one) for name, one in of.items()}))
        return tuple(found)

    def promised(self, plan: Plan, protection: CellKey) -> tuple[Promise, ...]:
        """The errors that are stated at most; which classes are of enough persons is counted."""
        noise, error = Magnitudes.of(protection), stated_error(protection)
        found = []
        for table in plan.tables:
            every = itertools.product(*((*dimension.levels, TOTAL) for dimension in table.dimensions))
            for measure, levels in itertools.product(table.measures, every):
                most = error
                if not measure.how.persons:
                    bound = plan.period.days if measure.how.days else protection.most_per_person[measure.name]
                    most = _rounded_up(noise.within([GREATEST], [bound], ERROR_LEVEL)[0])
                found.append(Promise(table.name, measure.name, levels, None, protection.minimum_count, most))
        return tuple(found)

    def described(self, protection: CellKey) -> dict[str, object]:
        """The noise's own parameters are secret."""
        return thresholded(protection)

    def told(self, protection: CellKey) -> Told:
        """Figures with noise, of which few persons' are hidden."""
        return Told(
            notice=held(protection.minimum_count)
            + "\nA figure was changed by a little, at random but always in the same way for the same persons; so"
            " figures do not add up.",
            zeros=protection.deviation < protection.minimum_count,  # else noise may bring N persons to 0
            reading=(
                "Figures carry a small noise: read small differences as none, and do not add figures up. Of those with",
                "`<measure>_error` beside them, 95 % or more are within so much of the true ones. It is rounded up to",
                "1, 2 or 5 times a power of ten, and the noise may reach beyond it.",
                *(OF_TOTALS if protection.most_per_person else ()),
            ),
            dossier=f"Cell keys: {nothing_about_few(protection.minimum_count)}; all other figures carry noise,"
            f" 95 % of them of {stated_error(protection)} persons at most.",
        )

    def parameters(self, protection: CellKey) -> str:
        """D, V and the forbidden figures: two noises of one figure would narrow each other."""
        return protection.parameters

    def cost(self, protection: CellKey) -> None:
        """Nothing."""


METHOD: ProtectionMethod = _CellKey()

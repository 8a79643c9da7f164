"""Tables protected by cell keys: the threshold on true counts, and noise that the same persons always bring with them.

Every person has a secret number, the record key (`counting/record_keys.py`). The sum over the persons of a figure is
its cell key, by which the noise is looked up (`cell_key_noise.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.disclosure.proof import Proof
from anonymization.errors import IntegrityError
from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey, Method
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import CANDIDATE, Issue
from anonymization.tables.counting.record_keys import RECORD_KEYS, key_column
from anonymization.tables.method import (
    Beside,
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
from anonymization.tables.methods.cell_key_noise import Perturbation, perturbation
from anonymization.tables.model import (
    CONFIDENTIAL,
    ERROR_LEVEL,
    FREE,
    Measure,
    SafeTable,
    Table,
    figures,
    with_errors,
)
from anonymization.tables.plan import Plan, with_codes

Floats = npt.NDArray[np.float64]


def table_of(protection: CellKey) -> Perturbation:
    """Return the perturbation table of a declaration."""
    return perturbation(protection.deviation, protection.variance, protection.forbidden)


def perturbed(tables: Sequence[Table], protection: CellKey, *, withheld: bool = False) -> tuple[SafeTable, ...]:
    """Return the tables as they may be published.

    Guarantees: a cell of 1..N-1 persons is hidden, and no other; a cell without anybody stays 0; every other figure
    is within D of the true one and never negative; the same persons give the same figure in every table. The figures
    do not add up. With `withheld`, hidden cells are not listed.

    Args:
        tables: true tables with their sums of record keys (`key_column`).
        protection: how they are protected.
        withheld: whether hidden cells are left out.
    """
    return tuple(_perturbed(table, protection, withheld=withheld) for table in tables)


def _perturbed(table: Table, protection: CellKey, *, withheld: bool) -> SafeTable:
    noise = table_of(protection)
    columns: dict[str, object] = {key: table.frame[key] for key in table.keys}
    for measure in table.measures:
        true = table.frame[measure.name]
        hidden = pd.Series(table.few(measure, protection.minimum_count), index=true.index)
        figures = noise.perturbed(true.to_numpy(), table.frame[key_column(measure)].to_numpy())
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
    is shown; a published 0 for nobody, unless noise may bring N down to it.
    """
    least, deviation = protection.minimum_count, protection.deviation
    figure = figures(table, measure)
    hidden = (table.frame[f"{measure.name}_status"] != FREE).to_numpy()
    low = np.where(figure == 0, 0.0, np.maximum(least, figure - deviation))
    high = np.where((figure == 0) & (deviation < least), 0.0, figure + deviation)
    return np.where(hidden, float(table.zeros_shown), low), np.where(hidden, np.inf, high)


def stated_error(protection: CellKey) -> int:
    """Return within how many persons of the true ones figures are, at least `ERROR_LEVEL` of those of any count.

    It is rounded up to 1, 2 or 5 times a power of ten: it then says that the noise reaches at least about so far, and
    sets no bound to it, as D would.
    """
    least, power = table_of(protection).within(protection.minimum_count, ERROR_LEVEL), 1
    while least > 5 * power:
        power *= 10
    return next(size * power for size in (1, 2, 5) if size * power >= least)


class _CellKey:
    """See `tables/method.py`."""

    record_keys, largest, drawn = True, False, False

    def require(self, plan: Plan, protection: CellKey) -> None:
        """Whatever the policy folder lets through: numbers of persons alone."""

    def bound(self, facts: str, dimensions: int, measures: Sequence[Measure], protection: CellKey) -> str:
        """A person contributes what the person did."""
        return facts

    def protect(
        self, plan: Plan, protection: CellKey, tables: Callable[[], tuple[Table, ...]], beside: Beside
    ) -> Protected:
        """The same persons bring the same noise everywhere: what is out changes nothing, so `beside` is not asked."""
        return alone(with_noise(tables(), protection, plan.period, withheld=plan.withheld))

    def expected(self, recounted: pd.DataFrame, protection: CellKey) -> pd.Series:
        """What the recount's own cell key leads to."""
        if RECORD_KEYS not in recounted.columns:
            raise IntegrityError("the recount brought no cell keys")
        counts, keys = (recounted[name].to_numpy(dtype=np.int64) for name in ("recounted", RECORD_KEYS))
        return pd.Series(table_of(protection).perturbed(counts, keys), index=recounted.index)

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
        """One for all figures, of whatever count; a zero that says that nobody is there has none."""
        error = stated_error(protection)
        of_zero = 0 if self.told(protection).zeros else error
        return tuple(
            with_errors(table, {m.name: np.where(figures(table, m) == 0, of_zero, error) for m in table.measures})
            for table in tables
        )

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

"""What a protection method is: everything that Noren asks of one, in the order of a release's way.

A method is a module of `methods/` with a `METHOD`, and a declaration in `policy/protection.py`: its name in `Method`
and its class in `Protection`, with `minimum_count`, `zeros` and `limit`; which measures it can protect is
said in `policy/releases.py`. `METHODS` says which module. A release is protected, checked and told of by asking its
method here. A method that is unknown, or that lacks an answer, is an error wherever it is asked, never another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from anonymization.errors import ProtectionError
from anonymization.policy.protection import CellKey, Cost, Method, Suppression
from anonymization.policy.releases import MeasureKind
from anonymization.tables.headlines import Why
from anonymization.tables.model import CONFIDENTIAL, FREE, Measure, SafeTable, Table, figures

if TYPE_CHECKING:
    from anonymization.disclosure.proof import Proof
    from anonymization.tables.audit.findings import Finding
    from anonymization.tables.audit.neighbours import Neighbour
    from anonymization.tables.audit.sheets import Issue
    from anonymization.tables.audit.standing import Standing
    from anonymization.tables.plan import Plan

METHODS: dict[str, str] = {
    Method.SUPPRESSION: "anonymization.tables.methods.suppression",
    Method.CELL_KEY: "anonymization.tables.methods.cell_key",
    Method.DIFFERENTIAL_PRIVACY: "anonymization.tables.methods.differential_privacy",
}
"""The module of each method; it is imported when the method is first asked."""


@dataclass(frozen=True)
class Protected:
    """What may be published, and what it cost.

    Attributes:
        tables: the protected tables.
        unsafe: cells that are unsafe by themselves.
        hidden: cells that are hidden, those among them.
        for_earlier: of them, cells that are hidden only because of what was published earlier.
        optimal: whether no pattern costs less.
        standing: what the unsafe cells need from now on.
        proof: moves from true figures that prove that enough is hidden; null where nothing is proven so.
        lost: headlines that are hidden, though they are not unsafe themselves: table, measure and cell, and why.
        for_months: by table and measure, cells that are hidden only because of neighbouring months of a stock.
    """

    tables: tuple[SafeTable, ...]
    unsafe: int
    hidden: int
    for_earlier: int
    optimal: bool
    standing: tuple[Standing, ...] = ()
    proof: Proof | None = None
    lost: Mapping[tuple[str, str, str], Why] = field(default_factory=dict)
    for_months: Mapping[tuple[str, str], int] = field(default_factory=dict)


def alone(tables: tuple[SafeTable, ...]) -> Protected:
    """Return tables whose cells stand for themselves, whatever else is published: what is hidden is what is unsafe."""
    hidden = sum(int((t.frame[f"{m.name}_status"] == CONFIDENTIAL).sum()) for t in tables for m in t.measures)
    return Protected(tables, hidden, hidden, 0, optimal=False)


class Beside(Protocol):
    """What a release is protected beside: whatever is out, and noise that was drawn before."""

    def earlier(self) -> Sequence[Issue]:
        """Return the releases that share persons and are out."""

    def neighbours(self) -> Sequence[Neighbour]:
        """Return what is out of the months before and after, of stocks that the release counts exactly."""

    def stored(self) -> tuple[SafeTable, ...] | None:
        """Return the tables of an earlier draw of the same figures, if there is one."""

    def store(self, tables: tuple[SafeTable, ...]) -> tuple[SafeTable, ...]:
        """Store a draw, and return what stands: of two, the first one."""


@dataclass(frozen=True)
class Reading:
    """What a reader knows of the figures of one measure of a published table, row by row.

    Attributes:
        value: exact figures; NaN where there is none.
        low, high: what a noisy figure, or its being hidden, says of the true one; null for exact figures.
    """

    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Told:
    """What people are told of a method.

    Attributes:
        notice: for the recipient, in NOTICE.md: what no figure tells.
        zeros: whether a zero that is published says that nobody is there.
        reading: lines of the package's README.md on how to read figures; none where they are exact.
        dossier: for the officer who decides.
    """

    notice: str
    zeros: bool
    reading: tuple[str, ...]
    dossier: str


@dataclass(frozen=True)
class Promise:
    """What noise promises of the figures of one margin before anything is counted.

    Attributes:
        levels: the level of each dimension, or the total.
        cells: how many are listed; null where a class is listed only if its noisy number of persons is large enough.
        listed_from: that number; 1 where every class is listed.
        error: within how much of the true ones, but for bounds on contributions, 95 % of figures or more are: of
            figures far from zero and, with cell keys, of the greatest totals.
    """

    table: str
    measure: str
    levels: tuple[str, ...]
    cells: int | None
    listed_from: int
    error: int


class ProtectionMethod(Protocol):
    """A method. `protection` is its own declaration; `plan.release.protection` is one, too."""

    record_keys: bool
    """Whether the count brings, of each figure, the sum of its persons' record keys."""
    largest: Collection[MeasureKind]
    """The kinds of measures of which the count brings, of each figure, the two largest contributions of persons."""
    drawn: bool
    """Whether noise is drawn at random: once, stored and paid from the budget. The gate then compares figures with the
    draw (`release/draws.py` and `release/gate/against_draw.py` know the noise of differential privacy alone), not with
    what is expected, and asks for no attack."""

    def require(self, plan: Plan, protection: Any) -> None:
        """Refuse a release that the method cannot protect.

        Raises:
            InputError: the declaration lacks something for one of the tables.
            PolicyRefusal: persons of a source are not apart from each other as the method needs it.
        """

    def bound(self, facts: str, dimensions: int, measures: Sequence[Measure], protection: Any) -> str:
        """Return SQL of facts in which each person contributes no more than the method allows.

        Args:
            facts: SELECT of one row a person and finest cell: `p`, a column `d<i>` an event dimension, `days`, and
                `m<i>` for each of the measures, counted from 0, that sums contributions (`counting/facts.py`).
            dimensions: how many event dimensions there are.
            measures: of one population.
            protection: the declaration.
        """

    def protect(
        self, plan: Plan, protection: Any, tables: Callable[[], tuple[Table, ...]], beside: Beside
    ) -> Protected:
        """Return the tables as they may be published; they are counted only if they are asked for.

        Frames keep their rows and order; of each measure there is a nullable Int64 column, and `<measure>_status`, free
        or confidential. A class of fewer persons than N is confidential or, where `plan.withheld`, not listed. With
        `record_keys` a true table has `key_column(measure)` for each measure.

        Raises:
            ProtectionError: they cannot be protected beside what is out.
        """

    def expected(self, recounted: pd.DataFrame, protection: Any) -> pd.Series:
        """Return what a published figure of each class of a recount must be; hidden ones are not compared.

        A recount has a row a table, measure and class, with its true figure in `recounted`, and with `record_keys` its
        cell key in `RECORD_KEYS`.

        Raises:
            IntegrityError: the recount lacks what that follows from.
        """

    def attack(
        self,
        issue: Issue,
        true: Sequence[Table],
        plan: Plan,
        protection: Any,
        earlier: Sequence[Issue],
        proof: Proof | None,
    ) -> tuple[Finding, ...]:
        """Return what somebody inside finds, who knows the true figures: cells less uncertain than they must be.

        The issue is as it is published, without what the house knows of its noise; true tables have the same rows. It
        is not asked where zeros are withheld: nothing unsafe has a row then.

        Raises:
            GateRefusal: figures contradict each other, or the attack does not come to an end.
        """

    def read(self, table: SafeTable, measure: Measure, noise: Any) -> Reading | None:
        """Return what a reader knows of the figures; None if they do not add up with any others.

        Args:
            table: as it is published.
            measure: one of its measures.
            noise: the declaration, if the reader knows it: the house does, a recipient does not.
        """

    def errors(self, plan: Plan, protection: Any, tables: Sequence[SafeTable]) -> tuple[SafeTable, ...]:
        """Return tables with how far off each figure may be beside it (`model.with_errors`); as they are if exact.

        It follows from what is published and the declaration alone, never from true figures.

        Args:
            plan: the resolved release.
            protection: its declaration.
            tables: as they are published; errors that they have already are not looked at.
        """

    def promised(self, plan: Plan, protection: Any) -> tuple[Promise, ...]:
        """Return what noise promises of each margin of each measure, by formulas and declared bounds alone.

        Nothing is counted: levels that were chosen by true errors would tell of them. None where figures are exact.
        """

    def described(self, protection: Any) -> dict[str, object]:
        """Return what a package says of its protection: what an auditor needs, and nothing that helps an attacker.

        It holds `method` and, unless noise is drawn, `minimum_publishable_count`.
        """

    def told(self, protection: Any) -> Told:
        """Return what people are told."""

    def parameters(self, protection: Any) -> str:
        """Return, as text, what must be equal over all releases of a source and period, beside the method itself.

        It may be secret: what is recorded is a commitment to it.
        """

    def cost(self, protection: Any) -> Cost | None:
        """Return what a release spends of the privacy budget; None if it spends nothing."""


HOOKS = tuple(name for name in (*ProtectionMethod.__annotations__, *vars(ProtectionMethod)) if not name.startswith("_"))


@cache
def method_of(name: str) -> ProtectionMethod:
    """Return a protection method.

    Raises:
        ProtectionError: there is none of that name, or it does not answer everything that is asked of one.
    """
    module = METHODS.get(name)
    if module is None:
        raise ProtectionError(f"unknown protection method {str(name)!r}; known: {', '.join(sorted(METHODS))}")
    method: ProtectionMethod = importlib.import_module(module).METHOD
    if missing := [hook for hook in HOOKS if not hasattr(method, hook)]:
        raise ProtectionError(f"protection method {str(name)!r} does not say {', '.join(missing)}")
    return method


def exact(table: SafeTable, measure: Measure) -> npt.NDArray[np.float64]:
    """Return a measure's figures, NaN wherever the status is not free."""
    free = (table.frame[f"{measure.name}_status"] == FREE).to_numpy()
    return np.asarray(np.where(free, figures(table, measure), np.nan))


def held(minimum_count: int) -> str:
    """Return the words of a method with a rule on true counts, for NOTICE.md."""
    return (
        "It holds no information about an\nindividual: every figure counts at least"
        f" {minimum_count} distinct persons, or is zero, or is withheld."
    )


def nothing_about_few(minimum_count: int) -> str:
    """Return the words of such a method for the dossier."""
    return f"nothing about 1 to {minimum_count - 1} persons is published"


def thresholded(protection: Suppression | CellKey) -> dict[str, object]:
    """Return what a package says of such a method."""
    return {"method": str(protection.method), "minimum_publishable_count": protection.minimum_count}

"""How a release's tables are protected: one of three methods, each with its own parameters."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from anonymization.policy.declared import Declared, Name


class Method(StrEnum):
    """The methods; what was protected by one is never published beside what was protected by another."""

    SUPPRESSION = "suppression"
    """Exact figures; unsafe ones, and those that would give them away, are hidden."""
    CELL_KEY = "cell_key"
    """Figures with a noise that the same persons always bring with them; unsafe ones are hidden."""
    DIFFERENTIAL_PRIVACY = "differential_privacy"
    """Random noise on bounded contributions, within a budget."""


OPEN_ESTABLISHED_DAYS = 2
"""On how many days an id is seen that counts for the threshold in open dimensions, where nothing else is declared."""


class Zeros(StrEnum):
    """Whether a reader may tell a class without anybody from a hidden one."""

    PUBLISHED = "published"
    """Hidden cells are listed as confidential: somebody is there."""
    WITHHELD = "withheld"
    """Hidden cells are not listed: a class that is not listed has few persons, or none."""


def _of_every_size(declared: object) -> object:
    """A limit that is declared as one number is that of every size."""
    return declared if declared is None or isinstance(declared, dict) else {0: declared}


PersonsExpected = Annotated[int, Field(ge=0)]
"""How many persons a home expects in a period: a declared figure, never one that was counted."""
Limits = Annotated[dict[PersonsExpected, Annotated[float, Field(ge=0, lt=1)]], BeforeValidator(_of_every_size)]
"""Shares, 0 to less than 1, each from how many persons expected on; one number alone is that of every size."""
LIMIT_NEEDED = (
    "`suppression_limit` is missing: the share of cells with somebody in that may be hidden, from 0 (none) to less than"
    " 1, or one for each size, such as `{0: 0.2, 20000: 0.05}`; `noren plan` tells what is hidden"
)


class Thresholded(Declared):
    """What the methods with a rule on true counts share."""

    minimum_count: int = Field(ge=2)
    """N, the minimum publishable count: a cell with 1..N-1 distinct persons is unsafe."""
    zeros: Zeros = Zeros.PUBLISHED
    established_days: int | None = Field(default=None, ge=1, le=31)
    """D: N counts only established ids, which were seen on D days or more of the period or are linked to a member, so
    that nobody can make up persons by the dozen. By default 2 in tables with an open dimension, else 1: every id."""
    suppression_limit: Limits | None = None
    """Of each measure of a table, the share of the cells with somebody in, at most, that are hidden, by how many
    persons are expected; of an open dimension the listed codes count. The gate holds a release to it."""

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        limits = self.suppression_limit
        if limits is None:
            return self
        if 0 not in limits:
            raise ValueError(f"`suppression_limit` begins with that from 0 persons on; there are {sorted(limits)}")
        ordered = sorted(limits.items())
        for (smaller, strict), (larger, lax) in pairwise(ordered):
            if lax > strict:
                raise ValueError(
                    f"`suppression_limit` contradicts itself: {strict} from {smaller} persons on, but {lax} from"
                    f" {larger} on; where more persons are expected, no more may be hidden"
                )
        return self

    def limit(self, expected: int | None) -> float | None:
        """Return the share that may be hidden at a size: the strictest where no size is declared, null without any."""
        if self.suppression_limit is None:
            return None
        return self.suppression_limit[max(n for n in self.suppression_limit if expected is None or n <= expected)]


class Dominance(Declared):
    """(n,k)-dominance: a total of which the n largest contributors hold more than k percent gives them away."""

    persons: Literal[2] = 2
    percent: int = Field(default=85, ge=1, le=85)
    """k; a smaller one is stricter, and none may be laxer than the default."""


class Suppression(Thresholded):
    """Exact figures; unsafe cells are hidden, and whatever gives them away with them."""

    method: Literal["suppression"]
    merge: Name | None = None
    """A hierarchical event dimension, such as a mesh: what is unsafe at a fine level is merged into the rest of the
    code above it, instead of hiding that code too."""
    dominance: Dominance = Dominance()
    p_percent: int = Field(default=10, ge=10, le=100)
    """p: whoever contributes most to a total may not be known to within p percent by the one who contributes second
    most; a greater one is stricter."""
    sensitive: tuple[Name, ...] = ()
    """Dimensions of which nobody may learn that all persons of a group share one class. Then classes without anybody
    may be hidden as well."""

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if self.suppression_limit is None:
            raise ValueError(LIMIT_NEEDED)
        if self.merge is not None and any(self.suppression_limit.values()):
            raise ValueError(
                f"`suppression_limit` contradicts `merge: {self.merge}`, which hides nothing: declare a limit of 0"
            )
        return self


LEAST_PERCENT = 10
"""The standard error that noise leaves of a total, in percent of its largest contribution: that of the p% rule."""


class CellKey(Thresholded):
    """Every figure gets a noise looked up by its true count and by its cell key.

    The parameters beside N are secret: they stand in no package. They are the same for a source and period over
    all releases, or two figures of the same persons would narrow each other.
    """

    method: Literal["cell_key"]
    deviation: int = Field(default=5, ge=1, le=30)
    """D: a published figure differs from the true one by at most this."""
    variance: Decimal = Field(default=Decimal(2), gt=0)
    """V: the variance of the noise."""
    forbidden: tuple[int, ...] = ()
    """Numbers of persons that are never published, such as 1 and 2."""
    share: Decimal = Field(default=Decimal("0.1"), gt=0, le=1)
    """The noise of a total is D and V of as much as this share of its largest contribution, where that is large."""
    flex: int = Field(default=1, ge=1)
    """Up to here a largest contribution counts in full; beyond, less and less of it, down to the share."""
    most_per_person: dict[Name, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Of each total, what nobody contributes more than; a build that finds more is refused. It bounds stated errors."""

    @model_validator(mode="after")
    def _feasible(self) -> Self:
        widest = Decimal(self.deviation * (self.deviation + 1)) / 3
        if self.variance > widest:
            raise ValueError(f"`variance` is at most {widest:.2f}: noise without any shape over -D..D has no more")
        if list(self.forbidden) != sorted(set(self.forbidden)) or any(figure < 1 for figure in self.forbidden):
            raise ValueError("`forbidden` lists figures from 1 on, in order, each once; zero stays zero in any case")
        run = 0
        for at, figure in enumerate(self.forbidden):
            run = run + 1 if at and figure == self.forbidden[at - 1] + 1 else 1
            if run > self.deviation:
                raise ValueError(f"`forbidden` holds more than D={self.deviation} figures in a row: none is left near")
        return self

    @property
    def fault_of_totals(self) -> str | None:
        """Why the noise does not do for totals, if it does not: it is too small beside what one person contributes."""
        least = Decimal(LEAST_PERCENT) / 100
        if self.share**2 * self.variance < least**2:
            return f"`share` times the root of `variance` is {LEAST_PERCENT} percent at least, for totals"
        if 4 * self.variance < (least * (2 * self.deviation + 1)) ** 2:
            narrow = (least * (2 * self.deviation + 1)) ** 2 / 4
            return f"`variance` is at least {narrow:.2f} for totals, with `deviation` {self.deviation}"
        return None

    @property
    def parameters(self) -> str:
        """All that decides the noise, as text: what must be equal over all releases of a source and period."""
        of_totals = "" if (self.share, self.flex) == (Decimal("0.1"), 1) else f";{self.share.normalize():f};{self.flex}"
        return f"{self.deviation};{self.variance.normalize():f};{','.join(map(str, self.forbidden))}{of_totals}"


class Mechanism(StrEnum):
    """Where the noise comes from."""

    GAUSSIAN = "gaussian"
    """Discrete Gaussian; costs rho (zero-concentrated differential privacy)."""
    LAPLACE = "laplace"
    """Discrete Laplace; costs epsilon."""


Amount = Annotated[Decimal, Field(gt=0, max_digits=20)]


class DifferentialPrivacy(Declared):
    """Noise on bounded contributions. The unit is a person in a key period (a calendar month)."""

    method: Literal["differential_privacy"]
    mechanism: Mechanism = Mechanism.GAUSSIAN
    rho: Amount | None = None
    """What the release costs with Gaussian noise (zCDP)."""
    epsilon: Amount | None = None
    """What the release costs with Laplace noise."""
    delta: Annotated[Decimal, Field(gt=0, lt=1, max_digits=40)] | None = None
    """The chance, at most, that somebody shows by the mere listing of a class; needed where classes are selected."""
    max_cells: int = Field(ge=1)
    """A person counts in at most this many of the finest cells of a table."""
    max_per_cell: int | None = Field(default=None, ge=1)
    """A person contributes at most this much to a total of one finest cell; needed where there are totals."""
    consistent: bool = True
    """Whether figures are made to fit each other after the noise: they add up, and none is negative. Else they are as
    they were drawn, and right on average."""

    minimum_count: ClassVar[int] = 1
    """No rule on true counts: noise and selection protect, and a rule on top would tell of true counts."""
    zeros: ClassVar[Zeros] = Zeros.PUBLISHED

    def limit(self, expected: int | None) -> None:
        """None: noise hides no cell."""
        del expected

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        gaussian = self.mechanism is Mechanism.GAUSSIAN
        if (self.rho is None) == gaussian or (self.epsilon is None) != gaussian:
            raise ValueError("`gaussian` noise costs `rho`, `laplace` noise `epsilon`: declare the one, not the other")
        return self

    @property
    def cost(self) -> Decimal:
        """What the release costs in rho: epsilon-differential privacy is (epsilon**2 / 2)-zCDP (Bun & Steinke 2016)."""
        return self.rho if self.rho is not None else (self.epsilon or Decimal(0)) ** 2 / 2


@dataclass(frozen=True)
class Cost:
    """What a release spends of the privacy budget: rho of zero-concentrated differential privacy, and delta."""

    rho: Decimal
    delta: Decimal


Protection = Annotated[Suppression | CellKey | DifferentialPrivacy, Field(discriminator="method")]

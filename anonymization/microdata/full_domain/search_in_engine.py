"""The exact search where the histogram is too large for one process: every node is evaluated in SQL, in the engine.

The histogram stays a relation of integers (`coded.py`). A node's classes are one GROUP BY of it, or of a roll-up that
stays in the engine too; what comes back are the sizes of the classes with how many have each (fewer than the root of
twice the persons), and, of whom a node suppresses, persons by value of a unit. All are whole numbers, the same that
the evaluation in memory has, so the search goes the same way and finds the same.

Only criteria can be asked whose failing every part inherits and which SQL says of a class in whole numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.microdata.criteria import Criterion, DistinctDiversity, KAnonymity
from anonymization.microdata.full_domain.evaluate import Evaluator, Formed
from anonymization.microdata.full_domain.rollup import RollupPlan
from anonymization.microdata.full_domain.search import Budget, Choice, Search, may_be_suppressed
from anonymization.microdata.histogram.coded import LIMIT_SETTING, Coded
from anonymization.microdata.histogram.units import Key, keys_of
from anonymization.microdata.loss import Domain, Metric, Objective, Suppressed, Tally

Levels = tuple[int, ...]
Ints = npt.NDArray[np.int64]


def search_relation(
    coded: Coded,
    criteria: Sequence[Criterion],
    *,
    suppression_limit: float = 0.0,
    metric: Metric = Metric.LOSS,
    budget: Budget | None = None,
) -> Choice:
    """Return the node of least loss among those that satisfy all criteria, as `lattice.search` does of a histogram.

    Guarantees the same choice, figures and number of evaluations as that has of the same data.

    Args:
        coded: what to publish.
        criteria: at least one; k-anonymity and distinct l-diversity can be asked.
        suppression_limit: the share of persons that may be suppressed, 0 to 1.
        metric: what to minimize.
        budget: when to stop without a proof; by default after 20,000 evaluations.

    Raises:
        InputError: no persons, no criterion or one that cannot be asked in SQL, a limit outside 0 to 1, or data that
            a criterion cannot be asked of.
        Refusal: no node satisfies the criteria, or none was found within the budget.
        EngineError: the engine failed.
    """
    if not coded.persons:
        raise InputError("the data holds no rows: at least one person is needed")
    allowed = may_be_suppressed(criteria, suppression_limit, coded.persons)
    for criterion in criteria:
        criterion.check_given(coded.persons, sensitive=coded.sensitive is not None, population=False)
    fails_sql(criteria, coded.tuples)
    objective = Objective(metric, Domain(coded.hierarchies, coded.leaves(coded.name)))
    with contextlib.closing(RelationEvaluator(coded, criteria, objective, allowed)) as evaluator:
        climb = Search(evaluator, criteria)
        climb.run(budget or Budget())
        return climb.choice(*evaluator.final(climb.levels))


def fails_sql(criteria: Sequence[Criterion], tuples: int) -> str:
    """Return the condition under which a class of `n` persons and `l` sensitive values fails a criterion.

    Raises:
        InputError: a criterion that cannot be asked in SQL.
    """
    found = []
    for criterion in criteria:
        if isinstance(criterion, KAnonymity):
            found.append(f"n < {criterion.k}")
        elif isinstance(criterion, DistinctDiversity):
            found.append(f"l < {criterion.l}")
        else:
            raise InputError(
                f"{criterion}: of a histogram that is not fetched, k-anonymity and distinct l-diversity alone can be "
                f"asked; it has {tuples:,} distinct tuples: with {LIMIT_SETTING}={tuples} it is fetched, which takes "
                "memory"
            )
    return " OR ".join(found)


@dataclass(frozen=True)
class Keyed:
    """A relation's rows with the keys of their classes.

    Attributes:
        rows: the SQL of its rows `t`, joined with what each unit's value becomes.
        texts: the SQL of each key.
        keys: what each key is packed of.
    """

    rows: str
    texts: tuple[str, ...]
    keys: tuple[Key, ...]

    @property
    def names(self) -> list[str]:
        """The keys' columns."""
        return [f"k{i}" for i in range(len(self.texts))]

    @property
    def selected(self) -> str:
        """The SQL of the keys' columns."""
        return ", ".join(f"{text} AS {name}" for text, name in zip(self.texts, self.names, strict=True))

    def cells(self) -> str:
        """Return the SQL of persons by class and sensitive value."""
        by = ", ".join(self.names)
        inner = f"SELECT {self.selected}, t.v AS v, t.n AS n FROM {self.rows}"
        return f"SELECT {by}, v, CAST(SUM(n) AS BIGINT) AS n FROM ({inner}) AS g GROUP BY {by}, v"

    def classes(self, *, valued: bool) -> str:
        """Return the SQL of the classes: keys, `n` persons and, where asked for, `l` sensitive values."""
        by = ", ".join(self.names)
        if valued:
            return f"SELECT {by}, CAST(SUM(n) AS BIGINT) AS n, COUNT(*) AS l FROM ({self.cells()}) AS e GROUP BY {by}"
        inner = f"SELECT {self.selected}, t.n AS n FROM {self.rows}"
        return f"SELECT {by}, CAST(SUM(n) AS BIGINT) AS n FROM ({inner}) AS g GROUP BY {by}"


def keyed(coded: Coded, relation: str, levels: Levels) -> Keyed:
    """Return the rows of a relation with the keys of a node's classes; keys order classes as their labels' texts do.

    What each unit's value becomes is registered as a relation `become_<unit>`, until the next call.
    """

    def rank(d: int, leaves: Ints) -> tuple[Ints, int]:
        hierarchy, level = coded.hierarchies[d], levels[d]
        _, ranks = ranked(hierarchy.labels[level])
        return ranks[hierarchy.ancestors[level][_known(hierarchy, leaves)]], len(ranks)

    rows, texts, above = f"{relation} AS t", [], []
    for i, unit in enumerate(coded.units):
        packed, size = unit.packed(rank)
        above.append(size)
        texts.append(f"b{i}.key" if size > 1 else "0")
        if size > 1:
            rows += _become(coded, i, packed)
    keys = keys_of(above)
    return Keyed(rows, tuple(key.sql(texts) for key in keys), keys)


def forget_keys(coded: Coded) -> None:
    """Drop what `keyed` registered."""
    for i in range(len(coded.units)):
        coded.engine.drop(f"become_{i}")


def ranked(labels: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    """Return the labels in the order of their texts, and the place of each among them."""
    order = sorted(range(len(labels)), key=labels.__getitem__)
    ranks = np.empty(len(labels), np.int64)
    ranks[order] = np.arange(len(labels))
    return tuple(labels[at] for at in order), ranks


def _become(coded: Coded, i: int, packed: Ints) -> str:
    """Register what values of a unit become; return the SQL of the join with it."""
    values = pa.array(np.arange(len(packed), dtype=np.int32))
    coded.engine.drop(f"become_{i}")
    coded.engine.register(f"become_{i}", pa.table({"u": values, "key": pa.array(packed)}))
    return f" JOIN become_{i} AS b{i} ON b{i}.u = t.u{i}"


def _known(hierarchy: Hierarchy, leaves: Ints) -> Ints:
    """A unit has a code for missing values also where there are none, and so no leaf for them."""
    return np.minimum(leaves, hierarchy.size - 1)


@dataclass(frozen=True)
class CodedRollup:
    """A roll-up in the engine.

    Attributes:
        levels: from which on the codes are those of its rows.
        rows: distinct tuples.
        name: of the relation, with the columns of a `Coded` one.
    """

    levels: Levels
    rows: int
    name: str


class CodedRollups(RollupPlan[CodedRollup]):
    """Keeps roll-ups in the engine: in each, the first leaf of a code stands for it."""

    def __init__(self, coded: Coded, *, valued: bool) -> None:
        super().__init__(coded.hierarchies, CodedRollup((0,) * len(coded.hierarchies), coded.tuples, coded.name))
        self.coded = coded
        self.valued = valued
        self.names: list[str] = []

    def made(self, source: CodedRollup, levels: Levels) -> CodedRollup:
        """See the base class."""
        rows, texts = f"{source.name} AS t", []
        for i, unit in enumerate(self.coded.units):
            changed = any(source.levels[d] != levels[d] for d in unit.dimensions)
            texts.append(f"CAST(b{i}.key AS INT) AS u{i}" if changed else f"t.u{i} AS u{i}")
            if changed:
                rows += _become(self.coded, i, unit.packed(self._first_leaf(levels))[0])
        units = ", ".join(self.coded.columns)
        by = f"{units}, v" if self.valued else units
        inner = f"SELECT {', '.join(texts)}{', t.v AS v' if self.valued else ''}, t.n AS n FROM {rows}"
        name = f"rollup_{len(self.names)}"
        engine = self.coded.engine
        engine.create(name, f"SELECT {by}, CAST(SUM(n) AS BIGINT) AS n FROM ({inner}) AS g GROUP BY {by}")
        self.names.append(name)
        counted = f"(SELECT {units} FROM {name} GROUP BY {units})" if self.valued else name
        size = engine.fetch(f"SELECT COUNT(*) AS n FROM {counted} AS g")["n"][0].as_py()
        return CodedRollup(levels, size, name)

    def _first_leaf(self, levels: Levels) -> Callable[[int, Ints], tuple[Ints, int]]:
        radices = {
            d: radix for unit in self.coded.units for d, radix in zip(unit.dimensions, unit.radices, strict=True)
        }

        def first_leaf(d: int, leaves: Ints) -> tuple[Ints, int]:
            hierarchy = self.coded.hierarchies[d]
            codes = hierarchy.ancestors[levels[d]]
            first = np.zeros(len(hierarchy.labels[levels[d]]), np.int64)
            first[codes[::-1]] = np.arange(hierarchy.size)[::-1]
            return first[codes[_known(hierarchy, leaves)]], radices[d]

        return first_leaf

    def passing(self, source: CodedRollup, levels: Levels) -> CodedRollup:
        """See the base class; a roll-up that is used once costs more than it spares, so the source stands for it."""
        return CodedRollup(levels, source.rows, source.name)

    def left(self, rollup: CodedRollup) -> None:
        """See the base class."""
        self.coded.engine.drop(rollup.name)

    def close(self) -> None:
        """Forget all roll-ups."""
        for name in self.names:
            self.coded.engine.drop(name)


class RelationEvaluator(Evaluator):
    """Evaluates nodes of coded tuples in their engine."""

    def __init__(self, coded: Coded, criteria: Sequence[Criterion], objective: Objective, limit: int) -> None:
        super().__init__(objective, limit)
        self.coded = coded
        self.fails = fails_sql(criteria, coded.tuples)
        self.valued = any(criterion.needs_sensitive for criterion in criteria)
        self.rollups = CodedRollups(coded, valued=self.valued)

    def form(self, node: Levels) -> Formed:
        """See the base class."""
        return _Classes(self, self.rollups.source(node), node)

    def final(self, node: Levels) -> tuple[Suppressed, Tally]:
        """Return whom a node suppresses, exactly, and the classes that it publishes."""
        classes = _Classes(self, self.rollups.bottom, node)
        return classes.suppressed(inherited=True), classes.published

    def close(self) -> None:
        """Forget what was made in the engine."""
        self.rollups.close()
        forget_keys(self.coded)


class _Classes:
    """The classes of a node, formed of a roll-up; see `Formed`. What fails here is inherited and closed under union."""

    def __init__(self, evaluator: RelationEvaluator, source: CodedRollup, node: Levels) -> None:
        self.coded, self.fails, self.source = evaluator.coded, evaluator.fails, source
        self.keyed = keyed(self.coded, source.name, node)
        self.classes = self.keyed.classes(valued=evaluator.valued)
        judged = f"SELECT n, CASE WHEN {self.fails} THEN 1 ELSE 0 END AS failing FROM ({self.classes}) AS c"
        found = self.coded.engine.fetch(
            f"SELECT n, failing, COUNT(*) AS classes FROM ({judged}) AS j GROUP BY n, failing"
        )
        sizes, times, failing = (found[name].to_numpy() for name in ("n", "classes", "failing"))
        self.failing = self.inherited = Tally.of(sizes[failing == 1], times[failing == 1])
        self.published = Tally.of(sizes[failing == 0], times[failing == 0])
        self.squares = self.failing.squares + self.published.squares
        self.united = self.failing.persons > 0

    def suppressed(self, *, inherited: bool) -> Suppressed:
        del inherited
        return Suppressed(self.failing.persons, self._leaves, self.source.levels)

    @cached_property
    def _leaves(self) -> Ints:
        if not self.failing.persons:
            return np.zeros(sum(hierarchy.size for hierarchy in self.coded.hierarchies), np.int64)
        names, units = self.keyed.names, self.coded.columns
        of_units = ", ".join(f"t.{unit} AS {unit}" for unit in units)
        rows = f"SELECT {of_units}, t.n AS n, {self.keyed.selected} FROM {self.keyed.rows}"
        gone = f"SELECT {', '.join(names)} FROM ({self.classes}) AS c WHERE {self.fails}"
        on = " AND ".join(f"r.{name} = f.{name}" for name in names)
        of_rows = ", ".join(f"r.{unit} AS {unit}" for unit in units)
        return self.coded.leaves(f"(SELECT {of_rows}, r.n AS n FROM ({rows}) AS r JOIN ({gone}) AS f ON {on})")

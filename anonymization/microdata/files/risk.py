"""What risk is left in rows: of finding a person's record, and of learning the sensitive value of a person.

Finding a record, f being the size of a record's class in the data and F in the population:

- prosecutor: knows that the person is in the data; succeeds with 1/f;
- journalist: knows that the person is in the population; succeeds with 1/F;
- marketer: wants many persons; finds the share 1/n Σ f/F of them on average.

Sources: El Emam, Guide to the De-Identification of Personal Health Information (2013), for the three attackers;
Machanavajjhala and others (2007) for l-diversity; Li, Li and Venkatasubramanian (2007) for t-closeness; Wong and others
(2006) for (alpha, k); Cao and Karras (2012) for beta-likeness; Brickell and Shmatikov (2008) for delta-disclosure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anonymization.errors import InputError
from anonymization.microdata.criteria import Classes, Closeness, Distance
from anonymization.microdata.files.rows import Recoding, Rows, counted
from anonymization.microdata.histogram.histogram import Sensitive, distinct_rows
from anonymization.microdata.histogram.kernels import entropies, heads_and_tails

THRESHOLDS = (0.05, 0.1, 0.2, 0.5)
"""Shares above which a record is at risk: classes below 20, 10, 5 and 2 persons."""


@dataclass(frozen=True)
class Attacker:
    """How well an attacker finds records; all in [0, 1].

    Attributes:
        highest: the chance at the record that is found most easily.
        average: the mean chance over all records.
        at_risk: by threshold, the share of records found with a chance above it.
    """

    highest: float
    average: float
    at_risk: dict[float, float]


@dataclass(frozen=True)
class Reidentification:
    """The risk that a person's record is found.

    Attributes:
        records: published records.
        classes: equivalence classes of them.
        k: persons of the smallest class; 0 without records.
        largest_class: persons of the largest class.
        average_class: persons, on average over classes.
        unique: the share of records that are alone in their class.
        prosecutor: knows that the person is in the data.
        journalist: knows that the person is in the population; none without a population.
        marketer: the share of records found on average.
    """

    records: int
    classes: int
    k: int
    largest_class: int
    average_class: float
    unique: float
    prosecutor: Attacker
    journalist: Attacker | None
    marketer: float


@dataclass(frozen=True)
class Disclosure:
    """The risk that a person's sensitive value is learnt: the worst over all classes.

    Attributes:
        attribute: the sensitive attribute.
        distinct_l: distinct values in the class with the fewest.
        entropy_l: exp(H) of the class with the least entropy, natural logarithm.
        recursive_c: by l from 2 to `distinct_l`, at most 5: recursive (c, l)-diversity holds for every c above this.
        t: the largest distance from the overall distribution.
        distance: by which t is measured.
        alpha: the largest share of one value in a class.
        basic_beta: the largest (q - p) / p, p being a value's share overall and q in a class.
        enhanced_beta: min(basic beta, -ln of the least p): with the bound of the rarest value.
        delta: the largest |ln(q / p)| over values that a class has.
    """

    attribute: str
    distinct_l: int
    entropy_l: float
    recursive_c: dict[int, float]
    t: float
    distance: str
    alpha: float
    basic_beta: float
    enhanced_beta: float
    delta: float


def published_classes(rows: Rows, recoding: Recoding) -> Classes:
    """Return the equivalence classes of what is written: rows with equal texts, the suppressed ones left out.

    Counted from the output's texts alone, so that it checks what a search says. The population is known where each
    part is a tuple. The overall distribution of the sensitive values is that of all rows, the suppressed ones counted.
    """
    codes, class_of = distinct_rows(recoding.codes, [len(labels) for labels in recoding.labels])
    row_class = np.where(recoding.suppressed, -1, class_of)[recoding.part_of]
    kept = row_class >= 0
    counts = np.bincount(row_class[kept], minlength=len(codes)).astype(np.int64)
    shown = counts > 0
    histogram, population = rows.histogram, None
    if histogram.population is not None and len(recoding.codes) == len(histogram.counts):
        population = np.bincount(class_of, histogram.population, len(codes)).astype(np.int64)[shown]
    given, sensitive, overall = histogram.sensitive, None, None
    if given is not None and rows.sensitive_of is not None:
        size = len(given.labels)
        place = (np.cumsum(shown) - 1).astype(np.int32)
        keys, persons = counted(place[row_class[kept]], rows.sensitive_of[kept], size)
        starts = np.searchsorted(keys // size, np.arange(shown.sum() + 1)).astype(np.int64)
        values = (keys % size).astype(np.int32)
        sensitive = Sensitive(given.attribute, given.labels, starts, values, persons, given.ordered, given.hierarchy)
        overall = given.totals / given.totals.sum()
    return Classes(counts[shown], population, sensitive, overall)


def reidentification(classes: Classes, thresholds: Sequence[float] = THRESHOLDS) -> Reidentification:
    """Return the risk that a record is found.

    A class that the population has fewer of than the data counts there with its size in the data: who is in the data
    is in the population.

    Args:
        classes: published ones.
        thresholds: of the chance above which a record is at risk.
    """
    sizes = classes.counts[classes.counts > 0]
    records = int(sizes.sum())
    people = sizes
    if classes.population is not None:
        people = np.maximum(sizes, classes.population[classes.counts > 0])
    prosecutor = _attacker(sizes, sizes, thresholds)
    journalist = None if classes.population is None else _attacker(sizes, people, thresholds)
    return Reidentification(
        records=records,
        classes=len(sizes),
        k=int(sizes.min()) if records else 0,
        largest_class=int(sizes.max()) if records else 0,
        average_class=records / len(sizes) if records else 0.0,
        unique=int((sizes == 1).sum()) / records if records else 0.0,
        prosecutor=prosecutor,
        journalist=journalist,
        marketer=(prosecutor if journalist is None else journalist).average,
    )


def _attacker(sizes: npt.NDArray[np.int64], people: npt.NDArray[np.int64], thresholds: Sequence[float]) -> Attacker:
    """Records of each class, and among how many persons each is sought."""
    records = int(sizes.sum())
    if not records:
        return Attacker(0.0, 0.0, dict.fromkeys(thresholds, 0.0))
    chance = 1 / people
    return Attacker(
        highest=float(chance.max()),
        average=float((sizes * chance).sum() / records),
        at_risk={bar: float(sizes[chance > bar].sum() / records) for bar in thresholds},
    )


def disclosure(classes: Classes, distance: Distance) -> Disclosure:
    """Return the risk that a sensitive value is learnt.

    Args:
        classes: published ones, with the sensitive attribute and its overall distribution; at least one.
        distance: of t-closeness.

    Raises:
        InputError: no sensitive attribute, or no class.
    """
    sensitive, overall = classes.sensitive, classes.overall
    if sensitive is None or overall is None or not len(classes.counts):
        raise InputError("what is learnt of a sensitive attribute needs one, and at least one published class")
    starts, counts = sensitive.starts, sensitive.counts
    own = counts / np.repeat(classes.counts, np.diff(starts))
    general = overall[sensitive.codes]
    basic = max(0.0, float(((own - general) / general).max()))
    distinct = int(np.diff(starts).min())
    return Disclosure(
        attribute=sensitive.attribute,
        distinct_l=distinct,
        entropy_l=round(math.exp(float(entropies(starts, counts).min())), 12),  # two even values are 2, not 1.99…98
        recursive_c={l_: _recursive_c(sensitive, l_) for l_ in range(2, min(distinct, 5) + 1)},
        t=float(Closeness(1.0, distance).distances(classes).max()),
        distance=distance.value,
        alpha=float(own.max()),
        basic_beta=basic,
        enhanced_beta=min(basic, float(-np.log(overall[overall > 0].min()))),
        delta=float(np.abs(np.log(own / general)).max()),
    )


def _recursive_c(sensitive: Sensitive, diversity: int) -> float:
    """The least c that no class is below: r_1 / (r_l + … + r_m) of the worst class."""
    heads, tails = heads_and_tails(sensitive.starts, sensitive.counts, diversity)
    return float((heads / tails).max())

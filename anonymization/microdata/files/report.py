"""What `noren anonymize` achieved: the report as JSON, and the text that a privacy officer reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anonymization.errors import InputError
from anonymization.files import indented, write_whole
from anonymization.hierarchies.file import MISSING
from anonymization.microdata.criteria import Distance
from anonymization.microdata.files.request import Request, criteria
from anonymization.microdata.files.risk import Disclosure, Reidentification
from anonymization.microdata.files.rows import Rows
from anonymization.microdata.loss import Losses

PERSONAL = (
    "k-anonymous rows of persons stay personal information in law: keep them inside the house, under the same rules as "
    "the input. What leaves the house are statistics."
)
MINIMALITY = (
    "The generalization is the one of least loss. Who knows that, and the hierarchies, can sometimes conclude more "
    "than the rows say (minimality attack): hand neither this report nor the parameters on with the rows."
)
_BY_RISK = ((0.5, "alone in their class"), (0.2, "in a class of fewer than 5"), (0.05, "in a class of fewer than 20"))


@dataclass(frozen=True, eq=False)
class Anonymized:
    """What was achieved.

    Attributes:
        request: what was asked.
        rows: of the input, as a histogram.
        columns: that are written as they are.
        distance: of t-closeness.
        levels: by quasi-identifier, rows of each level of its hierarchy, the suppressed ones not counted.
        examples: by quasi-identifier, a value of its hierarchy and what stands for it.
        losses: of what is published.
        suppressed: rows whose quasi-identifiers are all `*`.
        proven_optimal: whether nothing of its kind has a smaller loss.
        lower_bound: nothing of its kind has a smaller loss than this, where that is known.
        risk: that a record is found.
        learnt: that a sensitive value is learnt, if one is given and anything is published.
        seconds: wall time by stage.
    """

    request: Request
    rows: Rows
    columns: tuple[str, ...]
    distance: Distance
    levels: Mapping[str, Mapping[int, int]]
    examples: Mapping[str, tuple[str, str]]
    losses: Losses
    suppressed: int
    proven_optimal: bool
    lower_bound: float | None
    risk: Reidentification
    learnt: Disclosure | None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, int]:
        """Rows of the input without a value, by quasi-identifier that has such rows."""
        histogram, found = self.rows.histogram, {}
        for d, hierarchy in enumerate(histogram.hierarchies):
            if MISSING in hierarchy.labels[0]:
                absent = histogram.tuples[:, d] == hierarchy.labels[0].index(MISSING)
                found[hierarchy.attribute] = int(histogram.counts[absent].sum())
        return {attribute: number for attribute, number in found.items() if number}


def report(done: Anonymized) -> dict[str, Any]:
    """Return what was asked and achieved, as JSON takes it; no row's value is in it."""
    request, losses = done.request, done.losses
    achieved: dict[str, Any] = {"k": done.risk.k}
    if done.learnt is not None:
        achieved |= {"l": done.learnt.distinct_l, "entropy_l": done.learnt.entropy_l, "t": done.learnt.t}
        achieved["t_distance"] = done.learnt.distance
    return {
        "rows": done.rows.histogram.persons,
        "suppressed": done.suppressed,
        "loss": losses.loss,
        "loss_arithmetic": losses.loss_arithmetic,
        "discernibility": losses.discernibility,
        "entropy": None if math.isnan(losses.entropy) else losses.entropy,
        "metric": request.metric.value,
        "recoding": request.recoding,
        "levels": {
            name: next(iter(of), None) if done.request.recoding == "global" else {str(at): n for at, n in of.items()}
            for name, of in done.levels.items()
        },
        "classes": done.risk.classes,
        "min_class": done.risk.k,
        "average_class": done.risk.average_class,
        "achieved": achieved,
        "proven_optimal": done.proven_optimal,
        "lower_bound": done.lower_bound,
        "asked": _asked(request, done.distance),
        "risk": asdict(done.risk),
        "sensitive": None if done.learnt is None else asdict(done.learnt),
        "missing": done.missing,
        "unchanged_columns": list(done.columns),
        "seconds": {stage: round(spent, 4) for stage, spent in done.seconds.items()},
    }


def _asked(request: Request, distance: Distance) -> dict[str, Any]:
    return {
        "quasi_identifiers": list(request.quasi_identifiers),
        "suppression_limit": request.suppression_limit,
        "sensitive": request.sensitive,
        "criteria": [str(criterion) for criterion in criteria(request, distance)],
        "shuffled": request.shuffle,
    }


def write_report(path: Path, content: Mapping[str, Any]) -> None:
    """Write a report as JSON, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    try:
        write_whole(path, indented(content, as_given=True))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def summary(done: Anonymized) -> list[str]:
    """Return the lines that a privacy officer reads: asked, achieved, generalized, suppressed, risk, loss, warnings."""
    persons, risk = done.rows.histogram.persons, done.risk
    asked = ", ".join(str(criterion) for criterion in criteria(done.request, done.distance))
    limit = f"at most {done.request.suppression_limit:.4g} of the rows suppressed"
    lines = [
        f"asked       {asked}; {limit}; {done.request.recoding} recoding, least {done.request.metric.value}",
        f"achieved    k = {risk.k}, the smallest of {risk.classes:,} classes; {risk.average_class:,.1f} rows each",
    ]
    if done.learnt is not None:
        lines.append("            " + _learnt(done.learnt))
    lines += [
        f"rows        {persons:,} read and written, in {'a random' if done.request.shuffle else 'their own'} order",
        f"suppressed  {done.suppressed:,} ({_share(done.suppressed, persons)}): their quasi-identifiers read *",
        "generalized",
        *(f"  {name}: {_generalized(done, name)}" for name in done.levels),
        *_under("risk left", attackers(risk)),
        f"cost        {_cost(done)}",
        *(f"WARNING     {warning}" for warning in _warnings(done)),
        f"written     {done.request.out}",
    ]
    return lines


def attackers(risk: Reidentification) -> list[str]:
    """Return in words how well the attackers find records."""
    found = {"knows that a person is in the data": risk.prosecutor, "knows a person of the population": risk.journalist}
    lines = [
        f"who {knowing} finds the record with a chance of {chance.highest:.4g} at most, {chance.average:.4g} on average"
        for knowing, chance in found.items()
        if chance is not None
    ]
    return [*lines, "; ".join(f"{risk.prosecutor.at_risk[bar]:.2%} of rows {words}" for bar, words in _BY_RISK)]


def _under(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title if i == 0 else '':12}{line}" for i, line in enumerate(lines)]


def _learnt(learnt: Disclosure) -> str:
    return (
        f"l = {learnt.distinct_l} (entropy l = {learnt.entropy_l:.3g}), t = {learnt.t:.4g} ({learnt.distance} "
        f"distance) of {learnt.attribute!r}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}"


def _generalized(done: Anonymized, name: str) -> str:
    levels = done.levels[name]
    hierarchy = next(h for h in done.rows.histogram.hierarchies if h.attribute == name)
    value, label = done.examples[name]
    if len(levels) != 1:
        published = max(sum(levels.values()), 1)
        spread = ", ".join(f"level {level} in {_share(rows, published)}" for level, rows in sorted(levels.items()))
        return f"{spread} of the rows; for example {value!r} -> {label!r}"
    level = next(iter(levels))
    if level == 0:
        return "kept as it is"
    return f"level {level} of {hierarchy.levels - 1}; for example {value!r} -> {label!r}"


def _cost(done: Anonymized) -> str:
    losses = done.losses
    text = (
        f"loss {losses.loss:.4f} of 1 (arithmetic {losses.loss_arithmetic:.4f}); discernibility "
        f"{losses.discernibility:,.0f}"
    )
    if not math.isnan(losses.entropy):  # local recoding has no such figure
        text += f"; entropy {losses.entropy:,.1f} bits"
    if done.proven_optimal:
        return f"{text}; no generalization of this kind costs less (proven)"
    return text


def _warnings(done: Anonymized) -> list[str]:
    found = [PERSONAL, MINIMALITY]
    if done.missing:
        named = ", ".join(f"{name} ({number:,} rows)" for name, number in done.missing.items())
        found.append(
            f"Values are missing: {named}. A missing value matches missing values only, and stays visible as missing "
            "unless its level is one value for all."
        )
    if done.columns:
        found.append(
            f"Columns written as they are: {', '.join(done.columns)}. None of them may identify a person, alone or "
            "together; suppressed rows keep them too."
        )
    if done.learnt is None:
        found.append(
            "No sensitive attribute was named: k-anonymity does not keep anyone from learning what all persons of a "
            "class have in common (--sensitive, --l, --t)."
        )
    elif done.learnt.distinct_l == 1:
        found.append(
            f"In some class all rows have the same {done.learnt.attribute!r}: of these persons it is known (--l, --t)."
        )
    if done.request.recoding == "global" and not done.proven_optimal:
        found.append("The search ended before its proof: a generalization of less loss may exist (--work).")
    if not done.risk.records:
        found.append("All rows are suppressed: nothing is left to use.")
    return found

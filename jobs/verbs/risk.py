"""Measure what an attacker finds and learns in the rows of DATA, CSV, TSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from anonymization.engine import memory_share
from anonymization.engine.files import TabularEngine
from anonymization.microdata.criteria import Distance
from anonymization.microdata.files.distances import default_distance
from anonymization.microdata.files.report import attackers
from anonymization.microdata.files.request import check_columns
from anonymization.microdata.files.risk import (
    Disclosure,
    Reidentification,
    disclosure,
    published_classes,
    reidentification,
)
from anonymization.microdata.files.rows import SensitiveColumn, as_it_is, flat_hierarchies, read_rows
from jobs.options import FILE, Names


@click.command("risk", help=__doc__)
@click.argument("data", type=FILE)
@click.option("--quasi-identifiers", type=Names(), required=True, help="Columns that an attacker may know: A,B.")
@click.option("--sensitive", help="Column that an attacker wants to learn.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(data: Path, quasi_identifiers: tuple[str, ...], sensitive: str | None, *, as_json: bool) -> None:
    measured = measure_risk(data, quasi_identifiers, sensitive)
    if as_json:
        click.echo(json.dumps(measured.figures(), indent=1, ensure_ascii=False))
        return
    for line in risk_lines(measured):
        click.echo(line)


@dataclass(frozen=True)
class Measured:
    """The risk in rows.

    Attributes:
        rows: of the file.
        suppressed: rows whose quasi-identifiers are all `*`: left out of the classes.
        risk: that a record is found.
        learnt: that a sensitive value is learnt, if an attribute is named.
    """

    rows: int
    suppressed: int
    risk: Reidentification
    learnt: Disclosure | None

    def figures(self) -> dict[str, Any]:
        """Return all figures, as JSON takes them."""
        learnt = None if self.learnt is None else asdict(self.learnt)
        return {"rows": self.rows, "suppressed": self.suppressed, **asdict(self.risk), "sensitive": learnt}


def measure_risk(data: Path, quasi_identifiers: Sequence[str], sensitive: str | None = None) -> Measured:
    """Return the risk in a CSV, TSV or Parquet file, one row a person.

    Args:
        data: the file.
        quasi_identifiers: the columns that an attacker may know.
        sensitive: the column that an attacker wants to learn; t is measured with the ordered distance where its
            values are numbers, else with the equal one.

    Raises:
        InputError: a file that cannot be read, no rows, an unknown column, or decimal numbers as quasi-identifiers.
    """
    check_columns(quasi_identifiers, sensitive)
    with TabularEngine([data], memory_share()) as engine:
        hierarchies = flat_hierarchies(engine, data, quasi_identifiers)
        distance, column = Distance.EQUAL, None
        if sensitive is not None:
            distance = default_distance(engine, engine.open(data, [*quasi_identifiers, sensitive]), sensitive)
            column = SensitiveColumn(sensitive, ordered=distance is Distance.ORDERED)
        rows = read_rows(engine, data, hierarchies, sensitive=column)
    classes = published_classes(rows, as_it_is(rows))
    risk = reidentification(classes)
    persons = rows.histogram.persons
    learnt = None if sensitive is None else disclosure(classes, distance)
    return Measured(persons, persons - risk.records, risk, learnt)


def risk_lines(measured: Measured) -> list[str]:
    """Return the figures as lines for people."""
    risk, learnt = measured.risk, measured.learnt
    lines = [
        f"rows        {measured.rows:,}; {measured.suppressed:,} of them suppressed (every quasi-identifier is *)",
        f"classes     {risk.classes:,}, the smallest of k = {risk.k} rows, the largest of {risk.largest_class:,}",
        *(f"finding     {line}" for line in attackers(risk)),
    ]
    if learnt is not None:
        recursive = ", ".join(f"c > {c:.4g} for l = {l_}" for l_, c in learnt.recursive_c.items())
        lines += [
            f"learning    {learnt.attribute!r}: distinct l = {learnt.distinct_l}, entropy l = {learnt.entropy_l:.4g}"
            + (f", recursive (c, l): {recursive}" if recursive else ""),
            f"            t = {learnt.t:.4g} ({learnt.distance} distance), alpha = {learnt.alpha:.4g}",
            f"            beta: basic {learnt.basic_beta:.4g}, enhanced {learnt.enhanced_beta:.4g}",
            f"            delta = {learnt.delta:.4g}",
        ]
    return lines

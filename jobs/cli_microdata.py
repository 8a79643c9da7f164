"""The verbs for rows of persons: `anonymize` and `risk` on anyone's files, `profile` on the events of a release."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)
METRICS = ("loss", "loss-arithmetic", "discernibility", "entropy")
DISTANCES = ("equal", "ordered", "hierarchical")


class Names(click.ParamType[tuple[str, ...]]):
    """Columns with commas between; a name that holds a comma stands in double quotes."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names."""
        del param, ctx
        return tuple(next(csv.reader([value]), ())) if isinstance(value, str) else tuple(value)


class Pair(click.ParamType[tuple[float, float]]):
    """Two numbers with a comma between."""

    name = "pair"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Return the numbers."""
        if not isinstance(value, str):
            return float(value[0]), float(value[1])
        try:
            first, second = map(float, value.split(","))
        except ValueError:
            self.fail("two numbers with a comma between are allowed, such as 2,3", param, ctx)
        return first, second


@click.command()
@click.argument("data", type=FILE)
@click.option("--quasi-identifiers", type=Names(), required=True, help="Columns that an attacker may know: A,B.")
@click.option("--hierarchies", type=FILE, required=True, help="Folder of <attribute>.csv (or .rule) files.")
@click.option("--k", type=int, required=True, help="Rows of the smallest class, at least.")
@click.option("--suppression-limit", type=float, default=0.0, show_default=True, help="Share of rows, at most.")
@click.option(
    "--recoding",
    type=click.Choice(["global", "local"]),
    default="global",
    show_default=True,
    help="One level for a whole column, or for each class.",
)
@click.option("--metric", type=click.Choice(METRICS), default="loss", show_default=True, help="What is minimized.")
@click.option("--sensitive", help="Column that nobody is to learn of a person.")
@click.option("--l", type=int, help="Distinct sensitive values of a class, at least.")
@click.option("--entropy-l", type=float, help="exp(entropy) of a class's sensitive values, at least.")
@click.option("--recursive-cl", type=Pair(), help="Recursive (c, l)-diversity: C,L.")
@click.option("--t", type=float, help="Distance of a class's sensitive values from those of all rows, at most.")
@click.option(
    "--t-distance",
    type=click.Choice(DISTANCES),
    help="Of t; by default ordered where the values are numbers, else equal.",
)
@click.option("--population", type=FILE, help="CSV or Parquet, one row a person of the population.")
@click.option("--k-map", type=int, help="Persons of the population in a class, at least.")
@click.option("--delta-presence", type=Pair(), help="Share of the population's class that is in the data: MIN,MAX.")
@click.option("--out", type=FILE, required=True, help="CSV or Parquet, by the suffix; is overwritten.")
@click.option("--report", type=FILE, help="Where the report goes, as JSON.")
@click.option("--shuffle", is_flag=True, help="Put the rows in a random order, so that it says nothing.")
@click.option("--work", type=int, help="Work that the search may do, counted: the same on every machine.")
@click.pass_obj
def anonymize(umask: int | None, /, **given: Any) -> None:
    """Make the rows of DATA, CSV or Parquet, k-anonymous.

    Quasi-identifiers are generalized along their hierarchies; rows that remain too few alike are suppressed: their
    quasi-identifiers read *. Other columns, and the order of rows, stay as they are.
    """
    from anonymization.microdata.criteria import Distance  # noqa: PLC0415
    from anonymization.microdata.loss import Metric  # noqa: PLC0415
    from jobs.anonymize import anonymize as run  # noqa: PLC0415
    from jobs.anonymize_request import Request  # noqa: PLC0415
    from jobs.anonymized import summary  # noqa: PLC0415

    distance = given.pop("t_distance")
    request = Request(
        **given | {"metric": Metric(given["metric"]), "t_distance": None if distance is None else Distance(distance)}
    )
    if umask is not None:
        os.umask(umask)  # what is written here is the user's own
    for line in summary(run(request)):
        click.echo(line)


@click.command()
@click.argument("data", type=FILE)
@click.option("--quasi-identifiers", type=Names(), required=True, help="Columns that an attacker may know: A,B.")
@click.option("--sensitive", help="Column that an attacker wants to learn.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def risk(data: Path, quasi_identifiers: tuple[str, ...], sensitive: str | None, *, as_json: bool) -> None:
    """Measure what an attacker finds and learns in the rows of DATA, CSV or Parquet."""
    from jobs.risk import measure_risk, risk_lines  # noqa: PLC0415

    measured = measure_risk(data, quasi_identifiers, sensitive)
    if as_json:
        click.echo(json.dumps(measured.figures(), indent=1, ensure_ascii=False))
        return
    for line in risk_lines(measured):
        click.echo(line)


@click.command()
@click.argument("release")
@click.option("--period", required=True, help="YYYY-MM, YYYY-Www or YYYY-MM-DD, as the release declares.")
@click.option(
    "--suppression-limit",
    "limit",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of persons, at most, in classes of fewer than the release's minimum count.",
)
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@click.option("--master", help="Spark's master, such as spark://host:7077; default local[*].")
def profile(release: str, period: str, limit: float, engine: str, master: str | None) -> None:
    """Propose levels for RELEASE's person dimensions; they are pinned by hand, and rechecked by the gate."""
    from jobs.proposal import lines, propose  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        proposal = propose(setting, release, period, limit=limit, engine=engine, master=master)
    for line in lines(proposal):
        click.echo(line)


@click.command()
@click.argument("name")
@click.option("--period", required=True, help="YYYY-MM, YYYY-Www or YYYY-MM-DD, as declared.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@click.option("--master", help="Spark's master, such as spark://host:7077; default local[*].")
def microdata(name: str, period: str, engine: str, master: str | None) -> None:
    """Write the k-anonymous rows NAME of policies/microdata/, for people inside the house."""
    from jobs.microdata import write_microdata  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        written = write_microdata(setting, name, period, engine=engine, master=master)
    for figure, value in written.report.items():
        click.echo(f"{figure}: {value}")
    click.echo(written.folder)


VERBS = (anonymize, risk, profile, microdata)

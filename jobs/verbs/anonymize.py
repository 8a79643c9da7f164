"""Make the rows of DATA, CSV, TSV or Parquet, k-anonymous.

Quasi-identifiers are generalized along their hierarchies; rows that remain too few alike are suppressed: their
quasi-identifiers read *. Other columns, and the order of rows, stay as they are.
"""

from __future__ import annotations

import os
from typing import Any

import click

from anonymization.microdata.criteria import Distance
from anonymization.microdata.files.anonymize import anonymize
from anonymization.microdata.files.report import summary
from anonymization.microdata.files.request import Request
from anonymization.microdata.loss import Metric
from jobs.options import FILE, Names, Pair


@click.command("anonymize", help=__doc__)
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
@click.option(
    "--metric",
    type=click.Choice([metric.value for metric in Metric]),
    default="loss",
    show_default=True,
    help="What is minimized.",
)
@click.option("--sensitive", help="Column that nobody is to learn of a person.")
@click.option("--l", type=int, help="Distinct sensitive values of a class, at least.")
@click.option("--entropy-l", type=float, help="exp(entropy) of a class's sensitive values, at least.")
@click.option("--recursive-cl", type=Pair(), help="Recursive (c, l)-diversity: C,L.")
@click.option("--t", type=float, help="Distance of a class's sensitive values from those of all rows, at most.")
@click.option(
    "--t-distance",
    type=click.Choice([distance.value for distance in Distance]),
    help="Of t; by default ordered where the values are numbers, else equal.",
)
@click.option("--population", type=FILE, help="CSV, TSV or Parquet, one row a person of the population.")
@click.option("--k-map", type=int, help="Persons of the population in a class, at least.")
@click.option("--delta-presence", type=Pair(), help="Share of the population's class that is in the data: MIN,MAX.")
@click.option("--out", type=FILE, required=True, help="CSV, TSV or Parquet, by the suffix; is overwritten.")
@click.option("--report", type=FILE, help="Where the report goes, as JSON.")
@click.option("--shuffle", is_flag=True, help="Put the rows in a random order, so that it says nothing.")
@click.option("--work", type=int, help="Work that the search may do, counted: the same on every machine.")
@click.pass_obj
def command(umask: int | None, /, **given: Any) -> None:
    distance = given.pop("t_distance")
    request = Request(
        **given | {"metric": Metric(given["metric"]), "t_distance": None if distance is None else Distance(distance)}
    )
    if umask is not None:
        os.umask(umask)  # what is written here is the user's own
    for line in summary(anonymize(request)):
        click.echo(line)

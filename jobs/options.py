"""What several verbs take: kinds of arguments, and the options of what runs on an engine."""

from __future__ import annotations

import csv
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)

period_option = click.option(
    "--period", required=True, help="YYYY-MM, YYYY-Www or YYYY-MM-DD, as the release declares."
)
engine_option = click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
master_option = click.option("--master", help="Spark's master, such as spark://host:7077; default local[*].")
officer_option = click.option("--officer", required=True, help="The enrolled officer; the key is at NOREN_OFFICER_KEY.")
events_option = click.option(
    "--events", type=int, default=1_000_000, show_default=True, help="Rows over all logs, about."
)


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


class HierarchyFile(click.ParamType[tuple[str, Path]]):
    """A dimension and its hierarchy file, with = between."""

    name = "dimension=file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """Return dimension and file."""
        if not isinstance(value, str):
            return value[0], Path(value[1])
        name, mark, path = value.partition("=")
        if not (name and mark and path):
            self.fail("DIMENSION=FILE is allowed, such as region=region.csv", param, ctx)
        return name, Path(path)


class Number(click.ParamType[Decimal]):
    """A decimal number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number."""
        try:
            return Decimal(value)
        except InvalidOperation:
            self.fail("a number is allowed, such as 2 or 1.5", param, ctx)

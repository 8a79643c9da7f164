"""The verbs for tables: `protect` on anyone's table, `audit` on release directories."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from jobs.cli_microdata import Names, Pair

FILE = click.Path(path_type=Path)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


class _Hierarchy(click.ParamType[tuple[str, Path]]):
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


class _Number(click.ParamType[Decimal]):
    """A decimal number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number."""
        try:
            return Decimal(value)
        except InvalidOperation:
            self.fail("a number is allowed, such as 2 or 1.5", param, ctx)


@click.command()
@click.argument("table", type=FILE)
@click.option("--dimensions", type=Names(), required=True, help="Columns of codes: A,B.")
@click.option(
    "--hierarchy",
    "hierarchies",
    type=_Hierarchy(),
    multiple=True,
    help="DIMENSION=FILE: value, then a column a level, no header. Several for one dimension are linked tables.",
)
@click.option("--count", required=True, help="The column of figures: persons of a cell, or contributions.")
@click.option("--threshold", type=click.IntRange(min=2), help="N: 1 to N-1 persons (or contributors) are unsafe.")
@click.option("--dominance", type=Pair(), help="N,K: N contributors hold more than K percent; a row is a contributor.")
@click.option("--p-percent", type=click.IntRange(1, 100), help="P: the p% rule; a row is a contributor.")
@click.option(
    "--cell-key",
    help="A column of record keys: 32 bits a person, or their sum a row. Figures get noise; the threshold hides.",
)
@click.option("--deviation", type=click.IntRange(1, 30), default=5, show_default=True, help="D: noise is at most this.")
@click.option("--variance", type=_Number(), default="2", show_default=True, help="V: variance of the noise.")
@click.option("--out", type=FILE, required=True, help="CSV of all cells with margins; is overwritten.")
@click.pass_obj
def protect(umask: int | None, /, **given: Any) -> None:
    """Protect TABLE, CSV or Parquet: hide unsafe cells, and whatever would give them away.

    Margins are made, or checked where the table has them (code _T for a total). Nothing is written while an audit of
    the result finds anything.
    """
    from jobs.protect import Asked, lines, protect_table  # noqa: PLC0415

    hierarchies: dict[str, list[Path]] = {}
    for name, path in given.pop("hierarchies"):
        hierarchies.setdefault(name, []).append(path)
    dominance = given.pop("dominance")
    asked = Asked(
        hierarchies=hierarchies,
        dominance=None if dominance is None else (int(dominance[0]), int(dominance[1])),
        **given,
    )
    if umask is not None:
        os.umask(umask)  # what is written here is the user's own
    done = protect_table(asked)
    for line in lines(done, asked):
        click.echo(line)
    sys.exit(1 if done.findings else 0)


@click.command()
@click.argument("directories", nargs=-1, required=True, type=DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def audit(directories: tuple[Path, ...], *, as_json: bool) -> None:
    """Attack release DIRECTORIES together, from what was published alone; exit 1 if anything is found.

    All of them are one system of figures: margins, hierarchies, filters, overlapping periods and versions. Each
    suppressed figure, and each population that a difference implies, is bounded exactly.
    """
    from jobs.audit import attack  # noqa: PLC0415

    findings = attack(directories)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(f"{len(findings)} finding(s)")
    sys.exit(1 if findings else 0)


VERBS = (protect, audit)

"""Protect TABLE, CSV, TSV or Parquet: hide unsafe cells, and whatever would give them away.

Margins are made, or checked where the table has them (code _T for a total). Nothing is written while an audit of
the result finds anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from pydantic import ValidationError

from anonymization.errors import InputError
from anonymization.files import write_whole
from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey
from anonymization.policy.releases import PeriodKind
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.findings import Finding
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.given import GivenTable, read_given
from anonymization.tables.method import Protected, alone
from anonymization.tables.methods.cell_key import with_noise
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import CONFIDENTIAL
from jobs.options import FILE, HierarchyFile, Names, Number, Pair


@click.command("protect", help=__doc__)
@click.argument("table", type=FILE)
@click.option("--dimensions", type=Names(), required=True, help="Columns of codes: A,B.")
@click.option(
    "--hierarchy",
    "hierarchies",
    type=HierarchyFile(),
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
@click.option("--variance", type=Number(), default="2", show_default=True, help="V: variance of the noise.")
@click.option("--out", type=FILE, required=True, help="CSV of all cells with margins; is overwritten.")
@click.pass_obj
def command(umask: int | None, /, **given: Any) -> None:
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


@dataclass(frozen=True)
class Asked:
    """What `noren protect` was asked.

    Attributes:
        threshold: N: 1 to N - 1 persons are unsafe; of contributions, so few contributors.
        dominance: n and k; each row of the table is then one contributor.
        p_percent: p; each row of the table is then one contributor.
        cell_key: a column of record keys: figures get noise, and only what the threshold calls unsafe is hidden.
        deviation, variance: D and V of that noise.
    """

    table: Path
    dimensions: tuple[str, ...]
    hierarchies: Mapping[str, Sequence[Path]]
    count: str
    threshold: int | None
    dominance: tuple[int, int] | None
    p_percent: int | None
    out: Path
    cell_key: str | None = None
    deviation: int = 5
    variance: Decimal = Decimal(2)

    @property
    def contributions(self) -> bool:
        """Whether each row is one contributor."""
        return self.dominance is not None or self.p_percent is not None


@dataclass(frozen=True)
class Done:
    """A protected table.

    Attributes:
        frame: one row a cell: its codes, the figure, its status.
        value, hidden_value: what all cells and the hidden ones hold.
        error: the mean distance of figures that are shown from the true ones.
    """

    given: GivenTable
    frame: pd.DataFrame
    protected: Protected
    findings: tuple[Finding, ...]
    value: int
    hidden_value: int
    error: float


def protect_table(asked: Asked) -> Done:
    """Protect a table and write it.

    Raises:
        InputError: the table, a hierarchy or a rule is wrong, or `out` cannot be written.
        Refusal: no pattern protects it, or the audit of the result found something.
    """
    _check(asked)
    noise = _noise(asked)
    given = read_given(
        asked.table,
        asked.dimensions,
        asked.hierarchies,
        asked.count,
        contributions=asked.contributions,
        record_keys=asked.cell_key,
    )
    rules = Rules(asked.threshold or 1, asked.dominance, asked.p_percent)
    issue = Issue(asked.table.name, Period(PeriodKind.DAY, "as given", 0, 1), given.tables, rules.minimum_count)
    noisy = None if noise is None else with_noise(given.tables, noise, issue.period, name=issue.name)
    protected = protect(given.tables, issue, rules) if noisy is None else alone(noisy)
    findings = audit([replace(issue, tables=protected.tables, noise=noise)])
    done = _done(protected, given, asked, findings)
    if not findings:
        try:
            write_whole(asked.out, done.frame.to_csv(index=False, lineterminator="\n"))
        except OSError as error:
            raise InputError(f"{asked.out}: cannot be written: {error.strerror}") from None
    return done


def _check(asked: Asked) -> None:
    if len(set(asked.dimensions)) != len(asked.dimensions) or asked.count in asked.dimensions:
        raise InputError("--dimensions and --count name a column twice")
    unknown = sorted(set(asked.hierarchies) - set(asked.dimensions))
    if unknown:
        raise InputError(f"--hierarchy {unknown[0]}=...: no such dimension; there are {', '.join(asked.dimensions)}")
    if asked.cell_key is not None and (asked.contributions or asked.threshold is None):
        raise InputError("--cell-key goes with --threshold alone: noise is for numbers of persons")
    if asked.cell_key in (*asked.dimensions, asked.count):
        raise InputError(f"--cell-key names {asked.cell_key!r}, which is a dimension or the count")
    if asked.threshold is None and not asked.contributions:
        raise InputError("name a rule: --threshold N, --dominance N,K or --p-percent P")


def _noise(asked: Asked) -> CellKey | None:
    if asked.cell_key is None or asked.threshold is None:
        return None
    try:
        return CellKey(
            method="cell_key", minimum_count=asked.threshold, deviation=asked.deviation, variance=asked.variance
        )
    except ValidationError as error:
        raise InputError(
            f"--deviation and --variance: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from None


def _done(protected: Protected, given: GivenTable, asked: Asked, findings: tuple[Finding, ...]) -> Done:
    """What is written: all cells, each once; and what all cells and the hidden ones hold."""
    keys, status = list(asked.dimensions), f"{asked.count}_status"
    true = [table.frame[asked.count].rename("true") for table in given.tables]
    frames = [pd.concat([safe.frame, figures], axis=1) for safe, figures in zip(protected.tables, true, strict=True)]
    frame = pd.concat(frames, ignore_index=True).drop_duplicates(keys).sort_values(keys, ignore_index=True)
    hidden = frame[status] == CONFIDENTIAL
    value, of_hidden = int(frame["true"].sum()), int(frame.loc[hidden, "true"].sum())
    away = (frame[asked.count] - frame["true"])[~hidden].abs().mean()
    if given.scale > 1:
        scaled = frame[asked.count].astype("Float64") / given.scale
        frame[asked.count] = scaled.round(int(np.log10(given.scale)))
    return Done(
        given, frame.drop(columns="true"), protected, findings, value, of_hidden, 0.0 if pd.isna(away) else float(away)
    )


def lines(done: Done, asked: Asked) -> list[str]:
    """Return what was done, as lines for people."""
    cells = len(done.frame)
    hidden = int((done.frame[f"{asked.count}_status"] == CONFIDENTIAL).sum())
    unsafe = hidden if asked.cell_key else done.protected.unsafe
    made = "margins checked" if done.given.margins else "margins made"
    scale = done.given.scale
    hidden_text = f"hidden      {hidden:,} cells ({hidden / cells:.1%})"
    if asked.cell_key is None:
        told = [
            f"{hidden_text}, {hidden - unsafe:,} of them for others",
            f"            {done.hidden_value / scale:,.10g} of {done.value / scale:,.10g} counted over all cells",
            f"optimum     {'proven: no pattern costs less' if done.protected.optimal else 'not proven'}",
        ]
    else:
        told = [
            hidden_text,
            f"noise       {done.error:.2f} persons from the true figure on average; sums do not add up",
        ]
    return [
        f"read        {done.given.rows:,} rows, {cells:,} cells with margins ({made})",
        f"unsafe      {unsafe:,} cells",
        *told,
        f"audit       {len(done.findings)} findings" + ("" if not done.findings else ": nothing was written"),
        *(f"            {finding}" for finding in done.findings[:10]),
        f"written     {asked.out}" if not done.findings else "",
    ]

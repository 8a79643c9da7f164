"""Protect: secondary suppression for anyone's frequency or magnitude table, without a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anonymization.errors import InputError
from anonymization.policy.releases import PeriodKind
from anonymization.tables.audit import audit
from anonymization.tables.findings import Finding
from anonymization.tables.model import CONFIDENTIAL, SafeTable
from anonymization.tables.period import Period
from anonymization.tables.sheets import Issue
from anonymization.tables.suppression import Protected, protect
from anonymization.tables.unsafe import Rules
from jobs.given_table import GivenTable, read_given


@dataclass(frozen=True)
class Asked:
    """What `noren protect` was asked.

    Attributes:
        threshold: N: 1 to N - 1 persons are unsafe; of contributions, so few contributors.
        dominance: n and k; each row of the table is then one contributor.
        p_percent: p; each row of the table is then one contributor.
    """

    table: Path
    dimensions: tuple[str, ...]
    hierarchies: Mapping[str, Sequence[Path]]
    count: str
    threshold: int | None
    dominance: tuple[int, int] | None
    p_percent: int | None
    out: Path

    @property
    def contributions(self) -> bool:
        """Whether each row is one contributor."""
        return self.dominance is not None or self.p_percent is not None


@dataclass(frozen=True)
class Done:
    """A protected table.

    Attributes:
        frame: one row a cell: its codes, the figure, its status.
    """

    given: GivenTable
    frame: pd.DataFrame
    protected: Protected
    findings: tuple[Finding, ...]
    value: int
    hidden_value: int


def protect_table(asked: Asked) -> Done:
    """Protect a table and write it.

    Raises:
        InputError: the table, a hierarchy or a rule is wrong.
        Refusal: no pattern protects it, or the audit of the result found something.
    """
    _check(asked)
    given = read_given(asked.table, asked.dimensions, asked.hierarchies, asked.count, contributions=asked.contributions)
    rules = Rules(asked.threshold or 1, asked.dominance, asked.p_percent)
    issue = Issue(asked.table.name, Period(PeriodKind.DAY, "as given", 0, 1), given.tables, rules.minimum_count)
    protected = protect(given.tables, issue, rules)
    findings = audit([Issue(issue.name, issue.period, protected.tables, rules.minimum_count)])
    frame, value, hidden = _frame(protected.tables, given, asked)
    if not findings:
        frame.to_csv(asked.out, index=False, lineterminator="\n")
    return Done(given, frame, protected, findings, value, hidden)


def _check(asked: Asked) -> None:
    if len(set(asked.dimensions)) != len(asked.dimensions) or asked.count in asked.dimensions:
        raise InputError("--dimensions and --count name a column twice")
    unknown = sorted(set(asked.hierarchies) - set(asked.dimensions))
    if unknown:
        raise InputError(f"--hierarchy {unknown[0]}=...: no such dimension; there are {', '.join(asked.dimensions)}")
    if asked.threshold is None and not asked.contributions:
        raise InputError("name a rule: --threshold N, --dominance N,K or --p-percent P")


def _frame(tables: Sequence[SafeTable], given: GivenTable, asked: Asked) -> tuple[pd.DataFrame, int, int]:
    """All cells, each once; and what all cells and the hidden ones hold."""
    keys, status = list(asked.dimensions), f"{asked.count}_status"
    true = [table.frame[asked.count].rename("true") for table in given.tables]
    frames = [pd.concat([safe.frame, figures], axis=1) for safe, figures in zip(tables, true, strict=True)]
    frame = pd.concat(frames, ignore_index=True).drop_duplicates(keys).sort_values(keys, ignore_index=True)
    hidden = frame[status] == CONFIDENTIAL
    value, of_hidden = int(frame["true"].sum()), int(frame.loc[hidden, "true"].sum())
    if given.scale > 1:
        scaled = frame[asked.count].astype("Float64") / given.scale
        frame[asked.count] = scaled.round(int(np.log10(given.scale)))
    return frame.drop(columns="true"), value, of_hidden


def lines(done: Done, asked: Asked) -> list[str]:
    """Return what was done, as lines for people."""
    hidden = done.protected.hidden
    cells = len(done.frame)
    made = "margins checked" if done.given.margins else "margins made"
    scale = done.given.scale
    return [
        f"read        {done.given.rows:,} rows, {cells:,} cells with margins ({made})",
        f"unsafe      {done.protected.unsafe:,} cells",
        f"hidden      {hidden:,} cells ({hidden / cells:.1%}), {hidden - done.protected.unsafe:,} of them for others",
        f"            {done.hidden_value / scale:,.10g} of {done.value / scale:,.10g} counted over all cells",
        f"optimum     {'proven: no pattern costs less' if done.protected.optimal else 'not proven'}",
        f"audit       {len(done.findings)} findings" + ("" if not done.findings else ": nothing was written"),
        *(f"            {finding}" for finding in done.findings[:10]),
        f"written     {asked.out}" if not done.findings else "",
    ]

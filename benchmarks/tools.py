"""Noren beside other tools in Python: k-anonymous census records, each tool as a whole process, from CSV to CSV.

anjana, anonypy, anonypyx and pyCANON run in an environment of their own, `.venv-others`, with the versions of
`locks/others.txt`: the pandas and numpy that they ask for are older than Noren's. anjana pins pyCANON to 1.3.5, so that
this version is measured. All four install on Python 3.11 and 3.12; for 3.13 that numpy has no wheel.

Loss and k of every output are measured alike, from its texts (`benchmarks/foreign.py`). anjana takes the same
hierarchies and drops the rows that it suppresses. anonypy and anonypyx take none: they write ranges and sets, which may
be anything. So there are three losses: of what is written; of the same classes in labels of the hierarchies; and, of
Noren's classes, in ranges and sets.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anonymization.hierarchies.hierarchy import Hierarchy
from benchmarks.foreign import loss_as_sets, quality
from benchmarks.measure import ROOT, Cost, Ran, command

K, SUPPRESSION, SENSITIVE = 5, 0.02, "occupation"
HEAD = 5_000
LIMIT = 120
PYTHON = ROOT / ".venv-others" / "bin" / "python"
ROW = "{:<44}{:>9}{:>8}{:>8}{:>9}{:>4}{:>8}{:>8}{:>8}  {}"
FOUR = ("",) * 4
FIGURES = ("alpha", "distinct_l", "t", "basic_beta", "enhanced_beta", "delta")


@dataclass(frozen=True)
class Tool:
    """Another tool.

    Attributes:
        name: as it is printed.
        script: in `benchmarks/others`.
        beside: the row of Noren's that does the same kind of thing.
        words: that the script takes besides.
        whole: why it is not given all records, if it is not.
    """

    name: str
    script: str
    beside: str
    words: tuple[str, ...] = ()
    whole: str = ""


OURS = {
    "global": ("Noren, full-domain, 2 % suppressed at most", ("--suppression-limit", str(SUPPRESSION))),
    "global, all kept": ("Noren, full-domain, nothing suppressed", ()),
    "local": ("Noren, local, nothing suppressed", ("--recoding", "local")),
}
TOOLS = (
    Tool("anjana, full-domain, 2 % suppressed at most", "anjana_global", "global"),
    Tool("anonypy, Mondrian", "anonypy_mondrian", "local"),
    Tool("anonypyx, Mondrian", "anonypyx_mondrian", "local"),
    Tool(
        "anonypyx, MDAV-generic", "anonypyx_mondrian", "local", ("MDAV-generic",),
        "its matrix of distances would take 7 GB",
    ),
)  # fmt: skip


def side_by_side(inputs: Sequence[pd.DataFrame], hierarchies: Sequence[Hierarchy], files: Path, folder: Path) -> None:
    """Measure and print all tools.

    Args:
        inputs: texts, a row a person; the most first, the records last.
        hierarchies: theirs.
        files: the folder of the hierarchies' files, `<attribute>.csv`.
        folder: for what is written.
    """
    parts = {len(part): part for part in (*inputs, inputs[-1].head(HEAD))}
    for rows, part in parts.items():
        part.to_csv(folder / f"{rows}.csv", sep=";", index=False)
    print(f"k = {K}, whole processes from CSV to CSV; a tool is ended after {LIMIT} CPU seconds", flush=True)
    print(ROW.format("tool", "rows", "wall s", "CPU s", "peak MB", "k", "loss", "labels", "sets", "CPU / Noren's"))
    bench = _Bench(parts, hierarchies, files, folder)
    for rows in parts:
        for kind in OURS:
            bench.ours(kind, rows)
    if not PYTHON.exists():
        print("the other tools are left out: make .venv-others/done installs them")
        return
    for tool in TOOLS:
        bench.theirs(tool)
    bench.risk()


class _Bench:
    """What every measurement needs, and what Noren took."""

    def __init__(
        self, inputs: Mapping[int, pd.DataFrame], hierarchies: Sequence[Hierarchy], files: Path, folder: Path
    ) -> None:
        self.inputs = inputs
        self.hierarchies = hierarchies
        self.files = files
        self.folder = folder
        self.usual = sorted(inputs)[1]
        self.costs: dict[tuple[str, int], Cost] = {}

    def ours(self, kind: str, rows: int) -> None:
        """Measure Noren."""
        name, words = OURS[kind]
        out = self.folder / "noren.csv"
        names = ",".join(hierarchy.attribute for hierarchy in self.hierarchies)
        ran = _noren(
            "anonymize", self.folder / f"{rows}.csv", "--quasi-identifiers", names, "--hierarchies",
            self.files, "--k", K, "--out", out, *words,
        )  # fmt: skip
        self.costs[kind, rows] = ran.cost
        self.show(name, rows, ran, out)

    def theirs(self, tool: Tool) -> None:
        """Measure another tool: on the records, on more where there are, on the first 5,000 where it is ended."""
        for rows in self.inputs:
            if rows > HEAD and tool.whole:
                print(f"{tool.name:<44}{rows:>9,}  not tried: {tool.whole}")
                continue
            out = self.folder / "theirs.csv"
            words = (self.folder / f"{rows}.csv", out, self.files, K, SUPPRESSION, *tool.words)
            ran = _other(tool.script, *words)
            self.show(tool.name, rows, ran, out, tool.beside)
            if not ran.ended and rows <= self.usual:
                return

    def show(self, name: str, rows: int, ran: Ran, out: Path, beside: str | None = None) -> None:
        """Print a row; the output is measured, whoever wrote it."""
        found: tuple[str, ...] = ()
        if not _failed(ran):
            after = pd.read_csv(out, sep=";", dtype=str)
            of = quality(after, self.hierarchies, rows)
            sets = f"{loss_as_sets(self.inputs[rows], after, self.hierarchies):.4f}" if beside is None else ""
            found = (str(of.k), f"{of.loss:.4f}", f"{of.as_labels:.4f}", sets)
        self.row(name, rows, ran, found, None if beside is None else (beside, self.costs[beside, rows]))

    def row(
        self, name: str, rows: int, ran: Ran, found: tuple[str, ...], beside: tuple[str, Cost] | None = None
    ) -> None:
        """Print a row."""
        cost, ratio = ran.cost, _failed(ran)
        if beside is not None and not ratio:
            ratio = f"{cost.cpu / beside[1].cpu:.1f}x {beside[0]}"
        used = f"{cost.wall:.2f}", f"{cost.cpu:.2f}", f"{cost.peak / 1e6:,.0f}"
        print(ROW.format(name, f"{rows:,}", *used, *(*found, *FOUR)[:4], ratio), flush=True)

    def risk(self) -> None:
        """Measure `noren risk` and pyCANON, and compare their figures."""
        names = [hierarchy.attribute for hierarchy in self.hierarchies if hierarchy.attribute != SENSITIVE]
        for rows in sorted(self.inputs, reverse=True)[-2:]:
            data, out = self.folder / f"{rows}.csv", self.folder / "figures.json"
            columns = ("--quasi-identifiers", ",".join(names), "--sensitive", SENSITIVE)
            ours = _noren("risk", data, *columns, "--json")
            figures = json.loads(ours.said) if not _failed(ours) else {}
            k = str(figures.get("k", ""))
            self.row(f"Noren, risk, {len(names)} attributes and {SENSITIVE}", rows, ours, (k,))
            theirs = _other("pycanon_risk", data, out, SENSITIVE)
            found = json.loads(out.read_text(encoding="utf-8")) if not _failed(theirs) else {}
            k = f"{found['k']:.0f}" if found else ""
            self.row("pyCANON, the same figures", rows, theirs, (k,), ("risk", ours.cost))
            if found and figures:
                print(f"  {_compared(figures, found)}")
            if not theirs.ended:
                return


def _compared(ours: Mapping[str, Any], theirs: Mapping[str, float]) -> str:
    """Say which figures are equal; pyCANON cuts the l of entropy to a whole number."""
    learnt = ours["sensitive"]
    pairs = {name: (float(learnt[name]), theirs[name]) for name in FIGURES}
    pairs["k"] = (float(ours["k"]), theirs["k"])
    pairs["entropy_l, whole"] = (float(math.floor(learnt["entropy_l"] + 1e-9)), theirs["entropy_l"])
    unequal = {name: pair for name, pair in pairs.items() if not math.isclose(*pair, rel_tol=1e-9, abs_tol=1e-12)}
    equal = f"equal to 1e-9: {', '.join(name for name in pairs if name not in unequal)}"
    return "; ".join(
        [equal, *(f"{name}: Noren {own:.6g}, pyCANON {other:.6g}" for name, (own, other) in unequal.items())]
    )


def _failed(ran: Ran) -> str:
    """Say why there is no output, or nothing."""
    if ran.ended:
        return f"ended after {LIMIT} CPU s"
    return f"failed: {(ran.said.strip().splitlines() or ['no word'])[-1]}" if ran.status else ""


def _noren(*words: object) -> Ran:
    return command([sys.executable, "-m", "jobs", *map(str, words)], limit=LIMIT)


def _other(script: str, *words: object) -> Ran:
    path = Path(__file__).with_name("others") / f"{script}.py"
    return command([str(PYTHON), "-W", "ignore", str(path), *map(str, words)], limit=LIMIT)

"""What commands show: how far a long step has come, and what the intake did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from anonymization.deidentify.taken import IntakeRun, Taken, totals
from expectations.run import SuiteResult

OUT = Console(soft_wrap=True)


def check_lines(results: Sequence[SuiteResult]) -> Iterator[str]:
    """Yield a line a check: what became of it, what it means, and how much it looked at or why it did not."""
    for suite in results:
        for check in suite.checks:
            yield f"{check.outcome:<16}  {suite.name}: {check.meaning} ({check.looked_at})"


def bar(console: Console) -> Progress:
    """Return the progress bar of long steps."""
    return Progress(
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip


def print_intake(console: Console, run: IntakeRun) -> None:
    """Print what the intake did, a row a source."""
    table = Table(Column("source", no_wrap=True), "files", "read", "accepted", "crawlers", "quarantined", "dropped")
    for column in table.columns[1:]:
        column.justify = "right"
    fresh = [taken for taken in run.taken if not taken.again]
    for source in sorted({taken.source for taken in fresh}):
        own = [taken for taken in fresh if taken.source == source]
        files, read, accepted, quarantined, dropped = totals(own)
        crawlers = sum(taken.crawlers for taken in own)
        table.add_row(source, *(f"{n:,}" for n in (files, read, accepted, crawlers, quarantined, dropped)))
    if fresh:
        console.print(table)
    _print_reasons(console, fresh)
    again = sum(taken.again for taken in run.taken)
    if again:
        console.print(f"{again:,} file(s) were known by their content and changed nothing.")
    for source in sorted({taken.source for taken in fresh if taken.undeclared}):
        number = max(taken.undeclared for taken in fresh if taken.source == source)
        console.print(f"{source}: {number:,} column(s) that are not declared were read by nothing")
    for source, name in sorted({(taken.source, name) for taken in fresh for name in taken.unlisted}):
        own = [taken for taken in fresh if taken.source == source]
        number, rows = sum(taken.unlisted.get(name, 0) for taken in own), sum(taken.accepted for taken in own)
        console.print(f"{source}: {name}: {number:,} of {rows:,} rows have a code that is not listed", highlight=False)
    for source in sorted({taken.source for taken in fresh if taken.by_case}):
        number = sum(taken.by_case for taken in fresh if taken.source == source)
        console.print(
            f"{source}: {number:,} id(s) differ from another by case alone; if they are one, declare `case: fold`"
        )
    for name, why in run.failures:
        console.print(f"[red]not taken in:[/] {name}: {why}", highlight=False)


def _print_reasons(console: Console, fresh: Sequence[Taken]) -> None:
    for word in ("quarantined", "dropped"):
        reasons: Counter[tuple[str, str]] = Counter()
        for taken in fresh:
            of_kind = taken.quarantined if word == "quarantined" else taken.dropped
            reasons.update({(taken.source, reason): number for reason, number in of_kind.items()})
        for (source, reason), number in sorted(reasons.items()):
            console.print(f"  {word}: {source}: {reason}: {number:,}", highlight=False)

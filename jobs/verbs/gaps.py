"""Say of which days of a period logs are missing; with --acknowledge, an officer lets releases tell that of themselves.

A day on which logs of a source are due and none came, or far fewer than usual, closes the gate.
"""

from __future__ import annotations

import click

from anonymization.errors import InputError, Refusal
from anonymization.policy.periods import Period, period_named
from anonymization.policy.releases import PeriodKind
from anonymization.policy.sources import Arrives
from anonymization.release.gaps import MENDED, Gaps, acknowledge, acknowledged, gaps_now, told
from anonymization.release.setting import Setting, opened
from jobs.signing import officers_key, require_a_key


@click.command("gaps", help=__doc__)
@click.option("--period", "text", required=True, help="YYYY-MM, YYYY-Www or YYYY-MM-DD.")
@click.option("--acknowledge", "source", help="The source whose gaps an officer knows of.")
@click.option("--officer", help="The enrolled officer who signs; the key is at NOREN_OFFICER_KEY.")
def command(text: str, source: str | None, officer: str | None) -> None:
    if (source is None) != (officer is None):
        raise InputError("--acknowledge SOURCE and --officer NAME go together")
    period = period_named(text)
    if period is None:
        raise InputError("--period: no such period; written YYYY-MM, YYYY-Www or YYYY-MM-DD")
    with opened() as setting:
        if source is not None and source not in setting.policies.sources:
            raise InputError(f"--acknowledge: no such source; declared: {sorted(setting.policies.sources)}")
        due = [name for name, one in setting.policies.sources.items() if _is_due(one.arrives, period)]
        found: Gaps = {}
        for name in due if source is None else [source]:
            try:
                found = {**found, **gaps_now(setting, name, period)}
            except InputError as error:
                click.echo(str(error))
        if source is not None and officer is not None:
            _sign(setting, source, found, officer)
        known = acknowledged(setting.ledger, setting.officers)
        rest = known.without(found)
        for gap in told({name: days for name, days in found.items() if name not in rest}):
            click.echo(f"known to an officer: {gap}")
    if rest:
        told_of = "\n  ".join(f"{gap}: {MENDED}" for gap in told(rest))
        raise Refusal(f"of releases that read it, this closes the gate:\n  {told_of}")
    if not found:
        click.echo(f"{period.name}: of every source that has events, those of each day are there")


def _is_due(arrives: Arrives, period: Period) -> bool:
    """Whether some logs of a source are due in a period."""
    return arrives is Arrives.DAILY or (arrives is Arrives.MONTHLY and period.kind is PeriodKind.MONTH)


def _sign(setting: Setting, source: str, found: Gaps, officer: str) -> None:
    require_a_key(setting, officer)
    entry = acknowledge(setting.ledger, source, found, officer=officer, officers=setting.officers, key=officers_key())
    click.echo(f"recorded as entry {entry.seq}")

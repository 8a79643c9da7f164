"""The verbs for what people may expect: `optout` by hand, and once a day `choices` and `erase`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from anonymization.errors import InputError
from anonymization.home import Home
from jobs.stage import tell


@click.group()
def optout() -> None:
    """People who opted out: their events are dropped at intake from then on."""


@optout.command("add")
@click.option("--namespace", help="cookie, client or member.")
@click.option("--id", "identity", help="The raw id.")
@click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV: namespace,id.")
def optout_add(namespace: str | None, identity: str | None, path: Path | None) -> None:
    """Record opt-outs."""
    from anonymization.release.choices import add_optouts, read_optouts  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    people = read_optouts(path) if path is not None else []
    if namespace is not None and identity is not None:
        people.append((namespace, identity))
    with opened() as setting:
        added = add_optouts(setting.home, setting.ledger, people)
    click.echo(f"{added.new} recorded, {added.known} known before (ledger entry {added.entry})")


@optout.command("list")
def optout_list() -> None:
    """Count recorded opt-outs by namespace; ids are not shown."""
    from anonymization.release.choices import optouts  # noqa: PLC0415

    for namespace, number in sorted(Counter(n for n, _ in optouts(Home.from_environment().require())).items()):
        click.echo(f"{namespace}: {number:,}")


@click.command()
def choices() -> None:
    """Record and remove the opt-out lists that were delivered as choices/optouts-*.csv (columns namespace,id)."""
    from jobs.choices import record_delivered  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        done = record_delivered(setting)
    tell(lists=done.lists, new=done.new, known=done.known)
    click.echo(f"{done.lists} list(s): {done.new} recorded, {done.known} known before")
    if done.failures:
        raise InputError("; ".join(f"choices/{name} stays as it is: {why}" for name, why in done.failures))


@click.command()
@click.option("--rehearse", "rehearsed", is_flag=True, help="Only say what would be erased.")
def erase(*, rehearsed: bool) -> None:
    """Erase logs, events and k-anonymous rows that are over the policy's time, and destroy their months' keys."""
    from jobs.erase import erase as run  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        done = run(setting, datetime.now(UTC).date(), rehearsed=rehearsed)
    tell(kept_from=done.first and done.first.isoformat(), files=dict(done.files), keys=list(done.keys))
    if done.first is None:
        click.echo("the policy names no time after which logs are erased (house_rules.erasure): all of it stays")
        return
    files = ", ".join(f"{number:,} in {zone}/" for zone, number in done.files.items()) or "none"
    would = "would be " if rehearsed else ""
    click.echo(f"kept from {done.first}; files {would}erased: {files}")
    click.echo(f"keys {would}destroyed: {', '.join(done.keys) or 'none'}")
    if done.awaited:
        click.echo(f"keys that events need which arrived later: {', '.join(done.awaited)}")


VERBS = (optout, choices, erase)

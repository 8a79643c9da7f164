"""Take new files of landing/ in; a file known by its content changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import click

from anonymization.deidentify.frames import intake_frames
from anonymization.deidentify.taken import Taken, logs_held, totals, wipe_copies
from anonymization.errors import InputError, Refusal
from anonymization.home import Home
from anonymization.policy.load import Policies
from anonymization.release.choices import optouts
from anonymization.release.setting import opened
from expectations.gate import check_days, check_domains, check_intake, reasons
from expectations.run import SuiteResult
from jobs.console import OUT, bar, check_lines, print_intake
from jobs.options import engine_option, master_option
from jobs.own_suites import own_suites
from jobs.stage import tell
from jobs.taking import arrivals, run_intake


@click.command("intake", help=__doc__)
@click.option("--source", help="Only this source.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Only what arrived on this day.")
@engine_option
@master_option
@click.option("--replace", "replacing", is_flag=True, help="A file takes the place of its name and day.")
def command(source: str | None, day: datetime | None, engine: str, master: str | None, *, replacing: bool) -> None:
    only: date | None = day.date() if day is not None else None
    wipe_copies(Home.from_environment().require())
    # held before it is read which files there are, and from when on logs are kept
    with opened() as setting, logs_held(setting.home), bar(OUT) as progress:
        tell(policy_digest=setting.policies.digest)
        files = arrivals(setting.home, setting.policies, source, only)
        step = progress.add_task("Taking logs in", total=len(files))
        run = run_intake(
            setting.home, setting.policies, files, optouts=optouts(setting.home), kept_from=setting.kept_from,
            progress=lambda _: progress.advance(step), engine=engine, master=master, replacing=replacing,
            rewritten=setting.rewritten,
        )  # fmt: skip
    print_intake(OUT, run)
    if not files:
        OUT.print("nothing to take in: landing/source=<name>/arrived=<YYYY-MM-DD>/ holds no file that was asked for")
    fresh = [taken for taken in run.taken if not taken.again]
    taken, read, accepted, quarantined, dropped = totals(fresh)
    tell(files=len(files), taken=taken, read=read, accepted=accepted, quarantined=quarantined, dropped=dropped)
    tell(failures=[{"file": name, "reason": why} for name, why in run.failures])
    if run.failures:
        raise InputError(f"{len(run.failures)} file(s) were not taken in; see above")
    checked, closed = intake_checks(fresh, setting.policies) if fresh else ((), [])
    for line in check_lines(checked):
        OUT.print(line, highlight=False, markup=False)
    if closed:
        tell(reasons=closed)
        raise Refusal("the intake's checks: " + "; ".join(closed))


def intake_checks(taken: Sequence[Taken], policies: Policies) -> tuple[tuple[SuiteResult, ...], list[str]]:
    """Return what the intake's checks looked at, and what they found: with its source, and its day if it is of one."""
    days, domains = intake_frames(taken, policies)
    suites = own_suites(policies)
    results = check_intake(days, domains, suites)
    if not (everything := reasons(results)):
        return results, []
    by_day = [
        f"{source}, arrived {arrived}: {reason}"
        for source, of_source in days.groupby("source")
        if reasons(check_days(of_source, suites))  # a check of every day of every source would take seconds
        for arrived, of_day in of_source.groupby("arrived")
        for reason in reasons(check_days(of_day, suites))
    ]
    by_source = [
        f"{source}: {reason}"
        for source, codes in domains.groupby("source")
        for reason in reasons(check_domains(codes, suites))
    ]
    return results, by_day + by_source or everything

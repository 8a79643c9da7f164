"""The `noren` command: one verb a stage.

Exit codes: 0 done, 1 refused by a check, 2 wrong input or usage, 3 a fault of the program.
"""

from __future__ import annotations

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markdown import Markdown

from anonymization.errors import InputError, Refusal
from anonymization.home import Home
from jobs import cli_choices, cli_microdata, cli_tables
from jobs.stage import judged, tell, verdict_option

OUT = Console(soft_wrap=True)
DIRECTORY = click.Path(path_type=Path, exists=True, file_okay=False)


class _Noren(click.Group):
    """Turns how a verb ends into a message, an exit code and, where asked for, a verdict."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an error that was raised on purpose is a message, not a trace."""
        with judged(ctx):
            return super().invoke(ctx)


@click.group(cls=_Noren, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noren")
@verdict_option
@click.pass_context
def main(ctx: click.Context) -> None:
    """From user-information logs to statistics that give nobody away.

    The path: init, intake, build, gate, review, approve, publish. NOREN_HOME names the home (default
    ./noren-home), NOREN_POLICIES the policy folder. `noren demo` walks the whole path.
    """
    ctx.obj = os.umask(0o077)


@main.command()
def init() -> None:
    """Make keys, database and folders; what is there stays."""
    from jobs.init import initialize  # noqa: PLC0415

    home = Home.from_environment()
    new = initialize(home)
    OUT.print(f"{'made' if new else 'there already'}: {home.root}", highlight=False)


@main.command()
@click.option("--events", type=int, default=1_000_000, show_default=True, help="Rows over all logs, about.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same bytes.")
@click.option("--month", default="2026-10", show_default=True, help="The month, YYYY-MM.")
def generate(events: int, seed: int, month: str) -> None:
    """Write a month of realistic logs of every source into landing/."""
    from jobs.console import bar  # noqa: PLC0415
    from jobs.generate import generate as run  # noqa: PLC0415
    from jobs.synthetic.traffic import days_of  # noqa: PLC0415

    try:
        days = days_of(month)
    except ValueError:
        raise InputError(f"--month {month!r}: a month is written YYYY-MM") from None
    home = Home.from_environment().create()
    with bar(OUT) as progress:
        step = progress.add_task("Generating logs", total=len(days))
        made = run(home, events, seed, month=month, progress=lambda _: progress.advance(step))
    for source, rows in made.rows.items():
        OUT.print(f"{source}: {rows:,} rows", highlight=False)
    OUT.print(f"{made.files} files in {home.landing}; {made.persons:,} people who do not exist", highlight=False)


@main.command()
@click.option("--events", type=int, default=1_000_000, show_default=True, help="Rows over all logs, about.")
@click.option("--seed", type=int, default=1, show_default=True)
def demo(events: int, seed: int) -> None:
    """Walk the whole path with people who do not exist: logs in, six signed releases out."""
    from jobs.demo import demo as run  # noqa: PLC0415

    run(Home.from_environment(), events, seed, OUT)


@main.command()
@click.option("--source", help="Only this source.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Only what arrived on this day.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@click.option("--master", help="Spark's master, such as spark://host:7077; default local[*].")
def intake(source: str | None, day: datetime | None, engine: str, master: str | None) -> None:
    """Take new files of landing/ in; a file known by its content changes nothing."""
    from anonymization.release.choices import optouts  # noqa: PLC0415
    from jobs.console import bar, print_intake  # noqa: PLC0415
    from jobs.intake import arrivals, intake_reasons, logs_held, run_intake, totals  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    only: date | None = day.date() if day is not None else None
    # held before it is read which files there are, and from when on logs are kept
    with opened() as setting, logs_held(setting.home), bar(OUT) as progress:
        tell(policy_digest=setting.policies.digest)
        files = arrivals(setting.home, setting.policies, source, only)
        step = progress.add_task("Taking logs in", total=len(files))
        run = run_intake(
            setting.home, setting.policies, files, optouts=optouts(setting.home), kept_from=setting.kept_from,
            progress=lambda _: progress.advance(step), engine=engine, master=master,
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
    closed = intake_reasons(fresh, setting.policies) if fresh else []
    if closed:
        tell(reasons=closed)
        raise Refusal("the intake's checks: " + "; ".join(closed))


@main.command()
@click.argument("release")
@click.option("--period", required=True, help="YYYY-MM, YYYY-Www or YYYY-MM-DD, as the release declares.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@click.option("--master", help="Spark's master, such as spark://host:7077; default local[*].")
def build(release: str, period: str, engine: str, master: str | None) -> None:
    """Build a candidate of RELEASE; the last line is its id."""
    from jobs.build import build as run  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        candidate = run(setting, release, period, engine=engine, master=master)
    built = candidate.request
    tell(candidate=candidate.id, digest=built.digest, release=built.release, period=built.period)
    for name, figure in candidate.request.figures.items():
        OUT.print(f"{name}: {figure:,}", highlight=False)
    OUT.print(f"built on {engine} in {candidate.request.seconds} s; digest {candidate.request.digest}", highlight=False)
    click.echo(candidate.id)


@main.command()
@click.argument("candidate")
def gate(candidate: str) -> None:
    """Check CANDIDATE against the events and everything that is out; exit 1 while the gate is closed."""
    from anonymization.release.candidate import load_candidate  # noqa: PLC0415
    from anonymization.release.verdict import FILE, verdict_digest  # noqa: PLC0415
    from jobs.gate import gate as run  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        result = run(setting, candidate)
        checked = load_candidate(setting.home, setting.ledger, candidate)
    tell(candidate=candidate, digest=checked.request.digest)
    tell(verdict=checked.evidence / FILE, verdict_digest=verdict_digest(checked))
    for suite in result.results:
        for check in suite.checks:
            OUT.print(f"{'passed' if check.success else 'FAILED'}  {suite.name}: {check.meaning}", highlight=False)
    if not result.opened:
        tell(reasons=list(result.reasons))
        raise Refusal("the gate is closed:\n  " + "\n  ".join(result.reasons))
    OUT.print(f"the gate is open for {candidate}", highlight=False)


@main.command()
@click.argument("candidate")
def review(candidate: str) -> None:
    """Show the dossier that a privacy officer reads before deciding."""
    from anonymization.release.candidate import load_candidate  # noqa: PLC0415
    from jobs.review import DOSSIER  # noqa: PLC0415
    from jobs.review import review as run  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        text = run(setting, candidate)
        shown = load_candidate(setting.home, setting.ledger, candidate)
    tell(candidate=candidate, digest=shown.request.digest, dossier=shown.evidence / DOSSIER)
    if OUT.is_terminal:
        OUT.print(Markdown(text))
    else:
        click.echo(text)


def _decide(candidate: str, officer: str, reason: str, outcome: str) -> None:
    from anonymization.keys import load_private_key  # noqa: PLC0415
    from anonymization.release.candidate import load_candidate  # noqa: PLC0415
    from anonymization.release.decision import Outcome  # noqa: PLC0415
    from anonymization.release.decision import decide as run  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    path = os.environ.get("NOREN_OFFICER_KEY")
    if path is None:
        raise InputError("set NOREN_OFFICER_KEY to the officer's private key file")
    with opened() as setting:
        if officer in setting.airflow_officers:
            raise InputError(f"{officer!r} answers in Airflow, where the release's run waits for it")
        signed = run(
            setting.ledger, load_candidate(setting.home, setting.ledger, candidate), outcome=Outcome(outcome),
            officer=officer, officers=setting.officers, key=load_private_key(Path(path)), reason=reason,
        )  # fmt: skip
    OUT.print(f"{outcome} by {officer}; good for one publication until {signed.decision.expires_at}", highlight=False)


@main.command()
@click.argument("candidate")
@click.option("--officer", required=True, help="The enrolled officer; the key is at NOREN_OFFICER_KEY.")
@click.option("--reason", default="", help="A comment for the record.")
def approve(candidate: str, officer: str, reason: str) -> None:
    """Sign an approval of CANDIDATE."""
    _decide(candidate, officer, reason, "approved")


@main.command()
@click.argument("candidate")
@click.option("--officer", required=True, help="The enrolled officer; the key is at NOREN_OFFICER_KEY.")
@click.option("--reason", required=True, help="Why.")
def reject(candidate: str, officer: str, reason: str) -> None:
    """Sign a rejection of CANDIDATE."""
    _decide(candidate, officer, reason, "rejected")


@main.command()
@click.argument("name")
@click.option(
    "--key", "path", type=click.Path(path_type=Path), required=True, help="Where the private key goes (0600)."
)
def enrol(name: str, path: Path) -> None:
    """Make an officer's key and print the lines for policies/officers.yaml."""
    from anonymization.keys import generate_officer_key  # noqa: PLC0415

    public = generate_officer_key(path)
    click.echo(f"officers:\n  {name}:\n    title: Privacy officer\n    public_key: {public}")


@main.command()
@click.argument("candidate")
@click.option("--in", "place", required=True, metavar="DAG/RUN/TASK", help="The task in Airflow that was answered.")
def answer(candidate: str, place: str) -> None:
    """Record what an officer answered in Airflow about CANDIDATE, as Airflow itself says it."""
    from jobs.airflow_answers import Place  # noqa: PLC0415
    from jobs.answer import record_answer  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        decision = record_answer(setting, candidate, Place.parsed(place)).decision
    tell(candidate=candidate, digest=decision.package_digest, outcome=decision.outcome.value, officer=decision.officer)
    OUT.print(f"{decision.outcome.value} by {decision.officer}, as answered in Airflow", highlight=False)
    OUT.print(f"good for one publication until {decision.expires_at}", highlight=False)


@main.command()
@click.argument("candidate")
def publish(candidate: str) -> None:
    """Publish an approved CANDIDATE as the next version of its release, and load the analysts' mart."""
    from jobs.publish import publish as run  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        done, mart_line = run(setting, candidate)
    p = done.publication
    tell(candidate=candidate, digest=p.digest, release=p.release, period=p.period, version=p.version)
    tell(folder=done.folder, mart=mart_line)
    OUT.print(f"published {p.release} {p.period} v{p.version}", highlight=False)
    click.echo(mart_line, err=mart_line.startswith("WARNING"))
    click.echo(done.folder)


@main.command()
@click.argument("release")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why; the recipient reads it.")
def withdraw(release: str, version: int, reason: str) -> None:
    """Withdraw VERSION of RELEASE: ledger entry, mart removal, recipient notice; audits still count it."""
    from anonymization.release.withdraw import withdraw as run  # noqa: PLC0415
    from jobs.mart import load_mart  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        recipient = setting.policies.recipients[setting.policies.release(release).recipient]
        notice = run(setting.home, setting.ledger, release, version, reason, contact=recipient.contact)
        mart_line = load_mart(setting)
    click.echo(mart_line, err=mart_line.startswith("WARNING"))
    OUT.print(f"withdrawn; the notice to its recipient: {notice}", highlight=False)


@main.command()
def mart() -> None:
    """Make the analysts' mart equal to what is out: load what is missing, remove what was withdrawn."""
    from anonymization.release.mart import sync  # noqa: PLC0415
    from anonymization.release.mart_database import mart_place  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting:
        new, gone = sync(setting.home, setting.ledger)
        place = mart_place(setting.home)
    for word, versions in (("loaded", new), ("removed", gone)):
        for p in versions:
            OUT.print(f"{word}: {p.release} {p.period} v{p.version}", highlight=False)
    OUT.print(f"the mart holds what is out: {place}", highlight=False)


@main.command()
def releases() -> None:
    """List what was published, and what is spent of privacy budgets."""
    from anonymization.release.budget import account_lines  # noqa: PLC0415
    from anonymization.release.ledger import EntryKind  # noqa: PLC0415
    from jobs.setting import opened  # noqa: PLC0415

    with opened() as setting, setting.ledger.transaction() as transaction:
        found = transaction.publications()
        gone = {entry.subject for entry in transaction.entries(kind=EntryKind.WITHDRAWAL)}
        spent = account_lines(transaction, setting.policies.policy.house_rules.privacy_budget)
    for p in found:
        state = "withdrawn" if p.candidate in gone else "out"
        OUT.print(f"{p.release}  {p.period}  v{p.version}  {state}  {p.digest[:16]}", highlight=False)
    for line in spent:
        OUT.print(line, highlight=False)
    if not found:
        OUT.print("nothing was published yet")


@main.command()
@click.argument("directory", type=DIRECTORY)
def verify(directory: Path) -> None:
    """Check a release DIRECTORY: digests, signature, schema, and the ledger where its home is at hand."""
    from anonymization.release.verify import verify as run  # noqa: PLC0415

    home = Home.from_environment()
    at_hand = home if (home.keys / "publisher.key").exists() else None
    result = run(directory, at_hand)
    for check in result.checks:
        OUT.print(f"holds: {check}", highlight=False)
    if result.envelope["mark"]:
        OUT.print(result.envelope["mark"], highlight=False)
    OUT.print("verified" + ("; this version was WITHDRAWN" if result.withdrawn else ""))


@main.command()
@click.argument("release")
@click.option("--period", default="2026-10", show_default=True, help="The period whose days stand in the text.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
def explain(release: str, period: str, engine: str) -> None:
    """Print the exact SQL that a build of RELEASE runs."""
    from anonymization.engine.portable import render  # noqa: PLC0415
    from anonymization.policy.load import load_policies  # noqa: PLC0415
    from anonymization.tables.tabulate import statements  # noqa: PLC0415
    from jobs.build import plan_release  # noqa: PLC0415
    from jobs.setting import policy_folder  # noqa: PLC0415

    plan, _ = plan_release(load_policies(policy_folder()), release, period)
    events = {source: f"events_{source}" for source in plan.release.sources}
    for statement in statements(plan, events):
        click.echo(f"-- {statement.name}\n{render(statement.sql, engine)};\n")


@main.command()
def status() -> None:
    """Say where each candidate stands, and what is out."""
    from jobs.status import stages  # noqa: PLC0415

    for line in stages():
        OUT.print(line, highlight=False)


@main.command()
def doctor() -> None:
    """Check the home, the policies, the ledger and the engines of this machine; exit 1 if something is wrong."""
    from jobs.status import examine  # noqa: PLC0415

    findings = examine()
    for name, fault in findings:
        OUT.print(
            f"{'well ' if fault is None else 'WRONG'}  {name}{'' if fault is None else ': ' + fault}", highlight=False
        )
    sys.exit(1 if any(fault is not None for _, fault in findings) else 0)


for verb in (*cli_choices.VERBS, *cli_microdata.VERBS, *cli_tables.VERBS):
    main.add_command(verb)


if __name__ == "__main__":
    main()

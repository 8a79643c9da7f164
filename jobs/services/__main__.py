"""The command of `make airflow` and `make airflow-stop`: `python -m jobs.services start`, `stop`, `status`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import click

from anonymization.errors import NorenError
from anonymization.home import Home
from jobs.services.databases import ANALYST
from jobs.services.local import Running, Services
from jobs.services.roles import DEMO_LOGINS, LOGINS

ROOT = Path(__file__).parent.parent.parent


@click.group()
@click.option("--dags", type=click.Path(path_type=Path, file_okay=False), default=ROOT / "dags", help="DAGs' folder.")
@click.pass_context
def main(context: click.Context, dags: Path) -> None:
    """PostgreSQL and Airflow for the home that NOREN_HOME names."""
    context.obj = Services(Home.from_environment(), dags.absolute())


@main.command("start")
@click.option("--port", type=click.IntRange(1, 65535), help="Airflow's port; by default 8080 if it is free.")
@click.option("--demo", is_flag=True, help="Make a demo's home where there is none.")
@click.option("--events", type=int, default=0, help="Logs of the last month for a demo's home that has none, in rows.")
@click.pass_obj
def start_command(services: Services, port: int | None, events: int, *, demo: bool) -> None:
    """Start what does not run; return once it is healthy."""
    began = time.monotonic()
    with _clear():
        running, already = services.start(port=port, demo=demo, events=events)
    how = "runs already" if already else f"runs, after {time.monotonic() - began:.0f} s"
    _tell(services, running, how)


@main.command("stop")
@click.pass_obj
def stop_command(services: Services) -> None:
    """End what was started, and nothing else."""
    with _clear():
        ended = services.stop()
    if ended:
        click.echo("Ended: " + ", ".join(f"{one.name} ({one.pid})" for one in reversed(ended)))
    else:
        click.echo(f"Nothing runs for {services.home.root}.")


@main.command("status")
@click.pass_obj
def status_command(services: Services) -> None:
    """Say what runs; exit 1 if something that was started does not."""
    with _clear():
        found = services.status()
    if found is None:
        click.echo(f"Nothing runs for {services.home.root}.")
        return
    running, wrong = found
    for line in wrong:
        click.echo(line)
    if wrong:
        click.echo("`make airflow` ends what is left and starts all of it again; `make airflow-stop` ends it.")
        raise SystemExit(1)
    _tell(services, running, "is healthy")


def _tell(services: Services, running: Running, how: str) -> None:
    click.echo(f"Airflow {how}: {running.url}")
    for line in _about(services, running):
        click.echo(f"  {line}")


def _about(services: Services, running: Running) -> Iterator[str]:
    for login in (*(DEMO_LOGINS if services.demo else ()), *LOGINS):
        path = services.passwords / login.name
        shown = path.read_text(encoding="utf-8").strip() if services.demo and login in DEMO_LOGINS else f"in {path}"
        yield f"log in as {login.name:<16} password {shown}"
    yield f"analysts query   psql '{services.postgres.url(ANALYST, running.database_port).replace('+psycopg', '')}'"
    yield f"in a shell       . {services.folder / 'environment'}"
    if services.own_ledger:
        yield "the ledger stays in noren.db, where this home had it; a new home's is in PostgreSQL"
    yield "end it with      make airflow-stop"


@contextlib.contextmanager
def _clear() -> Iterator[None]:
    """Say what went wrong in a line."""
    try:
        yield
    except NorenError as error:
        click.echo(f"airflow: {error}", err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

"""Airflow's and Noren's roles and databases on a PostgreSQL that runs already; as often as one likes.

libpq's variables say where it is (`PGHOST`, `PGPORT`), and a variable a role says its password: `docker-compose.yml`
gives them. Where Noren starts the server itself, `jobs.airflow_postgres` does all of this.
"""

from __future__ import annotations

import os

import click
import psycopg

from anonymization.errors import InputError, NorenError
from jobs.airflow_postgres import AIRFLOW, ANALYST, NOREN, OWNER, provide
from jobs.airflow_processes import ServiceError

PASSWORDS = {
    OWNER: "POSTGRES_PASSWORD",
    AIRFLOW: "AIRFLOW_DATABASE_PASSWORD",
    NOREN: "NOREN_DATABASE_PASSWORD",
    ANALYST: "ANALYST_DATABASE_PASSWORD",
}
"""The variable that holds a role's password."""


def provide_databases() -> None:
    """Make them, or give what is there its password and its rights again.

    Raises:
        InputError: the environment does not name every password.
        ServiceError: the server does not let its owner in, or did not do it.
    """
    missing = [name for name in PASSWORDS.values() if not os.environ.get(name)]
    if missing:
        raise InputError(f"to make roles and databases, set {', '.join(missing)}")
    passwords = {role: os.environ[name] for role, name in PASSWORDS.items()}

    def connected(database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            user=OWNER, password=passwords[OWNER], dbname=database, autocommit=True, connect_timeout=30
        )

    try:
        provide(connected, passwords.__getitem__)
    except psycopg.Error as error:  # its text may hold a statement, and so a password
        raise ServiceError(f"postgres: roles and databases were not made ({type(error).__name__})") from None


@click.command()
def main() -> None:
    """Make the roles and databases of Airflow and Noren on the PostgreSQL that PGHOST and PGPORT name."""
    try:
        provide_databases()
    except NorenError as error:
        click.echo(f"postgres: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    click.echo(f"there: roles {AIRFLOW}, {NOREN}, {ANALYST}; databases {AIRFLOW}, {NOREN}")


if __name__ == "__main__":
    main()

"""Airflow's and Noren's roles and databases on a PostgreSQL that runs already; as often as one likes.

libpq's variables say where it is (`PGHOST`, `PGPORT`), and a variable a role says its password: `docker-compose.yml`
gives them. Where Noren starts the server itself, `jobs.services.postgres` does all of this.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, LiteralString

import click
import psycopg
from psycopg import sql

from anonymization.errors import InputError, NorenError
from jobs.services.processes import ServiceError

OWNER, AIRFLOW, NOREN, ANALYST = "postgres", "airflow", "noren", "analyst"
"""Roles; `airflow` and `noren` each own the database of their name."""
PASSWORDS = {
    OWNER: "POSTGRES_PASSWORD",
    AIRFLOW: "AIRFLOW_DATABASE_PASSWORD",
    NOREN: "NOREN_DATABASE_PASSWORD",
    ANALYST: "ANALYST_DATABASE_PASSWORD",
}
"""The variable that holds a role's password."""
Connected = Callable[[str], AbstractContextManager[psycopg.Connection[Any]]]


def provide(
    connected: Connected,
    password: Callable[[str], str],
) -> None:
    """Make roles and databases on a server; what is there gets its password and its rights again.

    Args:
        connected: connects the server's owner to a database, each statement a transaction of its own.
        password: gives a role's.

    Raises:
        ServiceError: the server does not let its owner in, or did not do it.
    """
    try:
        _provide(connected, password)
    except psycopg.Error as error:  # its text may hold a statement, and so a password
        raise ServiceError(f"postgres: roles and databases were not made ({type(error).__name__})") from None


def provide_databases() -> None:
    """Make them as the environment says, or give what is there its password and its rights again.

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

    provide(connected, passwords.__getitem__)


def _provide(connected: Connected, password: Callable[[str], str]) -> None:
    from anonymization.release.mart.database import ROLE as READERS  # noqa: PLC0415 - with SQLAlchemy

    with connected(OWNER) as connection:
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        if READERS not in roles:
            _run(connection, "CREATE ROLE {} NOLOGIN", READERS)
        for role in (AIRFLOW, NOREN, ANALYST):
            verb: LiteralString = "ALTER" if role in roles else "CREATE"
            literal = sql.Literal(password(role))
            connection.execute(sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), literal))
        _run(connection, "GRANT {} TO {}", READERS, ANALYST)
        _run(connection, "ALTER ROLE {} SET default_transaction_read_only = on", ANALYST)
        databases = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for name in (AIRFLOW, NOREN):
            if name not in databases:
                _run(connection, "CREATE DATABASE {} OWNER {}", name, name)
            _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
        _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", NOREN, READERS)
    with connected(NOREN) as connection:
        _run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        # Whoever may log in could fill the disk with large objects, which need no right of their own.
        _run(connection, "REVOKE ALL ON FUNCTION lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC")


def _run(connection: psycopg.Connection[Any], text: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(text).format(*map(sql.Identifier, names)))


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

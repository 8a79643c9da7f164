"""Airflow's roles and logins for Noren; run where Airflow is installed and configured, as often as one likes.

An officer sees everything that a viewer sees, and answers the question of a release's run. Nothing else: Airflow's own
`User` and `Op` may mark an approval a success, clear it, and write its result.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from anonymization.files import private_folder
from anonymization.home import policy_folder
from jobs.airflow import dag_id
from jobs.services.secret import kept_secret

OFFICER, PUBLISHER, VIEWER, OPERATOR, ADMIN = "Noren officer", "Noren publisher", "Viewer", "Op", "Admin"
READ, EDIT, MENU = "can_read", "can_edit", "menu_access"
ANSWERS, RUNS, WEBSITE = "HITL Detail", "DAG Runs", "Website"

Right = tuple[str, str]
"""Action and resource, in the words of Airflow's permissions."""


@dataclass(frozen=True)
class Login:
    """Someone, or something, that logs in."""

    name: str
    role: str


SERVICE = Login("noren-publisher", PUBLISHER)
LOGINS = (Login("admin", ADMIN), SERVICE)
DEMO_LOGINS = (Login("officer", OFFICER), Login("engineer", OPERATOR))


def rights(releases: Iterable[str], viewer: Iterable[Right]) -> Mapping[str, frozenset[Right]]:
    """Return what Noren's own roles may, exactly.

    Args:
        releases: names of declared releases.
        viewer: what Airflow's own `Viewer` may.
    """
    dags = [f"DAG:{dag_id(name)}" for name in releases]
    # Airflow asks for "edit" on a DAG of whoever edits anything below it; what is below is a right of its own.
    officer = {
        (MENU, ANSWERS),
        (READ, ANSWERS),
        (EDIT, ANSWERS),
        *((action, dag) for dag in dags for action in (READ, EDIT)),
    }
    # Airflow lets every role see the site: it adds this one itself.
    publisher = {(READ, WEBSITE), (READ, ANSWERS), (READ, RUNS), *((READ, dag) for dag in dags)}
    return {OFFICER: frozenset(viewer) | officer, PUBLISHER: frozenset(publisher)}


def make_roles(manager: Any, releases: Iterable[str]) -> None:
    """Give Noren's roles their rights: what is missing is added, what is more is taken away.

    Args:
        manager: Airflow's security manager.
        releases: names of declared releases.
    """
    manager.sync_roles()
    viewer = _rights_of(manager.find_role(VIEWER))
    for name, wanted in rights(releases, viewer).items():
        role = manager.add_role(name)
        for permission in [p for p in role.permissions if (p.action.name, p.resource.name) not in wanted]:
            manager.remove_permission_from_role(role, permission)
        for action, resource in sorted(wanted - _rights_of(role)):
            manager.add_permission_to_role(role, manager.create_permission(action, resource))


def make_logins(manager: Any, logins: Iterable[Login], passwords: Path) -> None:
    """Make logins; each has its role and no other, and a password in a file of its name, 0600.

    The password of a login that is there stays, unless its file is gone.
    """
    private_folder(passwords)
    for login in logins:
        path = passwords / login.name
        known, user = path.exists(), manager.find_user(username=login.name)
        password, role = kept_secret(path), manager.find_role(login.role)
        if user is None:
            manager.add_user(login.name, login.name, "(Noren)", f"{login.name}@localhost", role, password)
            continue
        user.roles = [role]
        manager.update_user(user)
        if not known:
            manager.reset_password(user.id, password)


def declared_releases(policies: Path) -> list[str]:
    """Return the names of the releases that a policy folder declares."""
    return sorted(path.stem for path in (policies / "releases").glob("*.yaml"))


def _rights_of(role: Any) -> set[Right]:
    return {(permission.action.name, permission.resource.name) for permission in role.permissions}


@click.command()
@click.option("--passwords", type=click.Path(path_type=Path, file_okay=False), required=True, help="A private folder.")
@click.option("--demo", is_flag=True, help="Also make the demo's officer and engineer.")
def main(passwords: Path, *, demo: bool) -> None:
    """Make Noren's roles and logins in the Airflow that AIRFLOW_HOME or the environment configures."""
    # Imported by name: Airflow takes seconds to import, and is not there where Noren runs without it.
    utils = importlib.import_module("airflow.providers.fab.auth_manager.cli_commands.utils")
    with utils.get_application_builder() as builder:
        make_roles(builder.sm, declared_releases(policy_folder()))
        make_logins(builder.sm, (*LOGINS, *(DEMO_LOGINS if demo else ())), passwords)


if __name__ == "__main__":
    main()

"""Check the home, the policies, the ledger and the engines of this machine; exit 1 if something is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click

from anonymization.engine import open_engine
from anonymization.errors import NorenError
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.load import load_policies
from anonymization.release.mart.state import behind
from anonymization.release.setting import Setting, opened, policy_folder


@click.command("doctor", help=__doc__)
def command() -> None:
    findings = examine()
    for name, fault in findings:
        click.echo(f"{'well ' if fault is None else 'WRONG'}  {name}{'' if fault is None else ': ' + fault}")
    sys.exit(1 if any(fault is not None for _, fault in findings) else 0)


def examine() -> list[tuple[str, str | None]]:
    """Return what was examined, each with its fault or none."""
    home = Home.from_environment()
    return [
        _looked(f"policies at {policy_folder()}", lambda: load_policies(policy_folder())),
        _looked(f"home at {home.root}", home.require),
        _looked("keys are private and open with the master key", lambda: PeriodKeys(home)),
        _looked("the ledger's chain holds", _check_chain),
        _looked("the mart holds what is out", _check_mart),
        _looked("DuckDB runs", lambda: _run_duckdb(home)),
        _looked("Spark (only for --engine spark)", _look_for_spark),
        _looked("disk: 1 GB is free", lambda: _check_disk(home.root)),
    ]


def _looked(name: str, look: Callable[[], object]) -> tuple[str, str | None]:
    try:
        look()
    except NorenError as error:
        return name, str(error)
    return name, None


def _check_chain() -> None:
    with opened() as setting, setting.ledger.transaction() as transaction:
        transaction.verify_chain()


def _check_mart() -> None:
    with opened() as setting:
        check_mart(setting)


def check_mart(setting: Setting) -> None:
    """Check that the mart holds what is out.

    Raises:
        NorenError: it does not, or cannot be reached.
    """
    if missing := behind(setting.home, setting.ledger):
        raise NorenError(f"{missing} version(s) are not as the ledger says; run `noren mart`")


def _run_duckdb(home: Home) -> None:
    with open_engine("duckdb", temporary=home.require().temporary / "doctor") as engine:
        engine.fetch("SELECT 1 AS one")


def _look_for_spark() -> None:
    if importlib.util.find_spec("pyspark") is not None:
        from anonymization.engine.spark.java import find_java  # noqa: PLC0415 - only where Spark is

        find_java()


def _check_disk(root: Path) -> None:
    if shutil.disk_usage(root if root.exists() else root.parent).free < 1 << 30:
        raise NorenError("less than 1 GB is free")

"""Check the home, the policies, the ledger and the engines of this machine; exit 1 if something is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from anonymization.engine import open_engine
from anonymization.errors import NorenError
from anonymization.home import Home, policy_folder
from anonymization.keys import PeriodKeys
from anonymization.policy.load import load_policies
from anonymization.release.mart.state import behind
from anonymization.release.pinned import changed_files, known_policies
from anonymization.release.setting import Setting, opened
from jobs import repair


@click.command("doctor", help=__doc__)
@click.option("--repair", "mending", is_flag=True, help="Mend what is safe to mend; no release is ever deleted.")
def command(*, mending: bool) -> None:
    findings = examine(mending=mending)
    for name, fault in findings:
        click.echo(f"{'well ' if fault is None else 'WRONG'}  {name}{'' if fault is None else ': ' + fault}")
    sys.exit(1 if any(fault is not None for _, fault in findings) else 0)


def examine(*, mending: bool = False) -> list[tuple[str, str | None]]:
    """Return what was examined, each with its fault or none.

    Args:
        mending: mend what can be mended first, and say what was done.
    """
    home = Home.from_environment()
    return [
        _looked(f"policies at {policy_folder()}", lambda: load_policies(policy_folder())),
        _looked(f"home at {home.root}", home.require),
        _looked("keys are private and open with the master key", lambda: PeriodKeys(home)),
        *(
            _looked(name, partial(_in_home, look), partial(_mend, mend) if mending else None)
            for name, look, mend in HOME
        ),
        _looked("DuckDB runs", lambda: _run_duckdb(home)),
        _looked("Spark (only for --engine spark)", _look_for_spark),
        _looked("disk: 1 GB is free", lambda: _check_disk(home.root)),
    ]


def _looked(name: str, look: Callable[[], object], mend: Callable[[], object] | None = None) -> tuple[str, str | None]:
    try:
        look()
    except NorenError as error:
        if mend is None:
            return name, str(error)
    else:
        return name, None
    try:
        mend()
        look()
    except NorenError as error:
        return name, str(error)
    return name, None


def _in_home(look: Callable[[Setting], None]) -> None:
    with opened() as setting:
        look(setting)


def _mend(mend: Callable[[Setting], list[str]]) -> None:
    with opened() as setting:
        for line in mend(setting):
            click.echo(f"mended {line}")


def _no_way(setting: Setting) -> list[str]:
    """What a person alone can mend."""
    del setting
    return []


def _check_chain(setting: Setting) -> None:
    with setting.ledger.transaction() as transaction:
        transaction.verify_chain()


def _check_policies(setting: Setting) -> None:
    now, demo = setting.policy_digests(), setting.demo
    with setting.ledger.transaction() as transaction:
        known = known_policies(setting.home, transaction)
    if known is None:
        raise NorenError("it knows none yet; run `noren init` once more")
    if (changed := changed_files(known.folder, now, signed=True)) and not demo:
        raise NorenError(f"{', '.join(changed)} changed, which needs an officer's signature: `noren policy accept`")


def check_mart(setting: Setting) -> None:
    """Check that the mart holds what is out.

    Raises:
        NorenError: it does not, or cannot be reached.
    """
    if missing := behind(setting.home, setting.ledger):
        raise NorenError(f"{missing} version(s) are not as the ledger says; run `noren mart`")


HOME: tuple[tuple[str, Callable[[Setting], None], Callable[[Setting], list[str]]], ...] = (
    ("the ledger's chain holds", _check_chain, _no_way),
    ("the policy folder is the one that the ledger knows", _check_policies, _no_way),
    ("the ledger knows every release", repair.check_known, _no_way),
    ("every release is whole", repair.check_whole, repair.mend_whole),
    ("the ledger knows every candidate", repair.check_candidates, repair.mend_candidates),
    ("events are as the intake left them", repair.check_events, repair.mend_events),
    ("no key of a period is missing", repair.check_keys, _no_way),
    ("no killed step left anything", repair.check_left, repair.mend_left),
    ("the mart holds what is out", check_mart, repair.mend_mart),
)
"""What is examined in a home, and how it is mended."""


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

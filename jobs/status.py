"""Status and doctor: where things stand, and whether this machine and home are in order."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from anonymization.engine import open_engine
from anonymization.errors import NorenError
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.load import load_policies
from anonymization.release.ledger import EntryKind
from jobs.intake import known_files
from jobs.mart import check_mart
from jobs.setting import opened, policy_folder

STAGES = {
    EntryKind.REQUEST: "built: waits for its gate",
    EntryKind.GATE: "gated",
    EntryKind.DECISION: "decided",
    EntryKind.PUBLICATION: "published",
    EntryKind.WITHDRAWAL: "withdrawn",
}


def stages() -> Iterator[str]:
    """Yield a line on the events, one a candidate, one a release that cannot be built."""
    with opened() as setting:
        files = list(known_files(setting.home))
        yield f"{len(files):,} log files taken in, {sum(taken.accepted for _, taken in files):,} events"
        if (first := setting.kept_from) is not None:
            yield f"logs are kept from {first}; those from before were erased"
        with setting.ledger.transaction() as transaction:
            entries = transaction.entries()
        for name in sorted({entry.subject for entry in entries if entry.kind is EntryKind.REQUEST}):
            last = [entry for entry in entries if entry.subject == name and entry.kind in STAGES][-1]
            detail = (
                {True: ", open", False: ", closed"}.get(bool(last.payload.get("open")))
                if last.kind is EntryKind.GATE
                else ""
            )
            outcome = f", {last.payload['outcome']}" if "outcome" in last.payload else ""
            yield f"{name}: {STAGES[last.kind]}{detail}{outcome}"
        for name, error in setting.policies.release_errors.items():
            yield f"release {name} cannot be built: {error}"


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


def _run_duckdb(home: Home) -> None:
    with open_engine("duckdb", temporary=home.require().temporary / "doctor") as engine:
        engine.fetch("SELECT 1 AS one")


def _look_for_spark() -> None:
    if importlib.util.find_spec("pyspark") is not None:
        from anonymization.engine.java import find_java  # noqa: PLC0415 - only where Spark is

        find_java()


def _check_disk(root: Path) -> None:
    if shutil.disk_usage(root if root.exists() else root.parent).free < 1 << 30:
        raise NorenError("less than 1 GB is free")

"""A disclosure: everything that is kept of one person, from every zone, for whoever handles the request.

It is exactly the person's: rows by the ids of the request, and by ids that a log of sign-ins links to them and to
nobody else. A sign-in is whose member it names. What is shared with another person is not in it.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

from anonymization.deidentify.arrivals import Arrival
from anonymization.deidentify.edited import records_of
from anonymization.deidentify.kept import noted_rows, pseudonyms_of, rejected_lines, rows_of
from anonymization.deidentify.taken import known_files
from anonymization.deidentify.times import day_of_number
from anonymization.deidentify.whose import Whose
from anonymization.engine import open_engine
from anonymization.files import indented, private_folder, sync, write_private
from anonymization.keys import PeriodKeys
from anonymization.release.choices import Person, choices_of
from anonymization.release.person_links import linked_ids, linked_of, searched
from anonymization.release.person_papers import DISCLOSED, folder_of, papers_of
from anonymization.release.person_requests import requests_of
from anonymization.release.setting import Setting

Rows: TypeAlias = list[dict[str, Any]]
CONTENT = "disclosure.json"


@dataclass(frozen=True)
class Disclosure:
    """What is kept of a person.

    Attributes:
        ids: by which it was found.
        zones: by zone and source the rows; `choices` and `requests` have no sources.
    """

    ids: tuple[Person, ...]
    zones: Mapping[str, Mapping[str, Rows]]


def disclosure_of(setting: Setting, number: int, files: Sequence[Arrival]) -> Disclosure:
    """Return everything that is kept of the person of a request.

    Args:
        setting: the home.
        number: of the request.
        files: all raw logs; nobody changes them meanwhile.

    Raises:
        SourceError: a raw log cannot be read: what is in it is not known.
    """
    home, policies = setting.home, setting.policies
    asked = papers_of(home, number).people
    people = (*asked, *sorted(linked_ids(policies, files, asked, alone=True)))
    namespaces = searched(policies, asked)
    whose = {
        name: Whose(source, linked_of(policies, name), policies.spellings, people, alone=True, searched=namespaces)
        for name, source in policies.sources.items()
    }
    with open_engine("duckdb", temporary=home.temporary, folders=[home.events]) as engine:
        pseudonyms = pseudonyms_of(engine, PeriodKeys(home), people, policies.spellings)
    zones: dict[str, dict[str, Rows]] = {"landing": {}, "quarantine": {}, "events": {}, "notes": {}}
    for file in files:
        name = file.source.source
        found = [
            {"arrived": file.arrived.isoformat(), **row} for row in records_of(file.path, file.source, whose[name])
        ]
        zones["landing"].setdefault(name, []).extend(found)
    for name, own in whose.items():
        for folder in sorted(home.quarantine.glob(f"source={name}/arrived=*")):
            arrived = {"arrived": folder.name.partition("=")[2]}
            zones["quarantine"].setdefault(name, []).extend({**arrived, **row} for row in rejected_lines(folder, own))
    for paths, taken in known_files(home):
        for zone, rows in (("events", paths), ("notes", noted_rows(home, taken))):
            found = [{"arrived": taken.arrived, **_dated(row)} for row in rows_of(rows, pseudonyms, alone=True)]
            zones[zone].setdefault(taken.source, []).extend(found)
    zones["choices"] = {
        "": [{"namespace": of, "id": one} for of, one in choices_of(home).people if (of, one) in people]
    }
    zones["requests"] = {"": list(_requests(setting, people))}
    return Disclosure(people, {zone: {s: rows for s, rows in by.items() if rows} for zone, by in zones.items()})


def _dated(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of events with its day written as such; which file an older row is of tells of no person."""
    day = {"day": day_of_number(row["day"])} if row.get("day") is not None else {}
    return {name: value for name, value in {**row, **day}.items() if name != "of"}


def _requests(setting: Setting, people: Sequence[Person]) -> Iterator[dict[str, Any]]:
    """What is recorded of the person's requests whose papers are kept."""
    with setting.ledger.transaction() as transaction:
        requests = requests_of(transaction, setting.policies)
    for one in requests:
        if one.state.kept and set((papers := papers_of(setting.home, one.number)).people) & set(people):
            documents = ", ".join(f"{name}: {document.reference}" for name, document in papers.documents.items())
            yield {
                "number": one.number, "kind": one.kind.value, "state": one.state.value, "by": one.by,
                "received": one.received, "answered": one.answered, "documents": documents,
                "identity": papers.identity, "fee": papers.fee, "reason": papers.reason,
            }  # fmt: skip


def write_disclosure(setting: Setting, number: int, found: Disclosure) -> Path:
    """Write a disclosure, as JSON and as a CSV a zone and source, 0600, whole; what an earlier run wrote is replaced.

    Returns:
        The folder, in that of the request: no published zone.
    """
    folder = private_folder(folder_of(setting.home, number)) / DISCLOSED
    part = folder.with_name(f".{DISCLOSED}.part")
    shutil.rmtree(part, ignore_errors=True)
    private_folder(part)
    ids = [{"namespace": of, "id": one} for of, one in found.ids]
    write_private(part / CONTENT, indented(_plain({"request": number, "ids": ids, **found.zones}), as_given=True))
    for zone, by_source in found.zones.items():
        for source, rows in by_source.items():
            write_private(part / f"{'-'.join(filter(None, (zone, source)))}.csv", _csv(rows))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    sync(folder.parent)
    return folder


def _csv(rows: Rows) -> str:
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _plain(value) for name, value in row.items()} for row in rows])
    return text.getvalue()


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value

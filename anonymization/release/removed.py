"""Who was deleted, as numbers: by how much less each cell of what is out of a stock would tell without her.

Two months of a stock differ by whoever left between them. A deleted person has left, and no row says so any more:
before her rows go, it is counted what she contributes to the cells of each release that is out and counts a stock. The
numbers have no pseudonym, lie in the identified zone, and go with the month. A release of other cells finds nothing to
count in them: what does not come to the figures that are out counts as of too few.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

import pandas as pd
import pyarrow as pa

from anonymization.deidentify.events import event_schema
from anonymization.engine import open_engine
from anonymization.errors import NorenError
from anonymization.files import private_folder, write_private_once
from anonymization.policy.periods import parse_period
from anonymization.release.candidate import Request, load_candidate
from anonymization.release.inputs import inputs_again, make_left_out, now_read, open_inputs
from anonymization.release.ledger.ledger import EntryKind, Publication
from anonymization.release.neighbours import is_exact, part_of
from anonymization.release.removed_numbers import folder_of
from anonymization.release.rewritten import read_any
from anonymization.release.setting import Setting
from anonymization.tables.counting.changes import changers
from anonymization.tables.plan import resolve

OWN, NOBODY, OUT = "removed_own", "removed_nobody", "removed_out"


def record_removed(setting: Setting, number: int, pseudonyms: Collection[int], digests: Collection[str]) -> None:
    """Keep what a person contributes to what is out of stocks, before logs that hold her are rewritten.

    What was kept for the request before is as it was: rows may be gone by now.

    Args:
        setting: the home.
        number: of the request.
        pseudonyms: the person's, of every month.
        digests: of the logs that are about to be rewritten.
    """
    with setting.ledger.transaction() as transaction:
        out = [Publication.of(entry) for entry in transaction.entries(kind=EntryKind.PUBLICATION)]
    for publication in out:
        request = load_candidate(setting.home, setting.ledger, publication.candidate).request
        frames = [
            frame
            for source in sorted(setting.policies.stocks & set(request.sources))
            if (frame := _contributed(setting, request, source, pseudonyms, digests)) is not None
        ]
        if frames:
            path = private_folder(folder_of(setting.home, str(publication))) / f"{number}.json"
            rows = [row for frame in frames for row in _rows(frame)]
            write_private_once(path, json.dumps(rows, ensure_ascii=False) + "\n")


def _contributed(
    setting: Setting, request: Request, source: str, pseudonyms: Collection[int], digests: Collection[str]
) -> pd.DataFrame | None:
    """What a person contributes to the cells of a release that count a stock; None if that cannot be counted."""
    home, policies = setting.home, setting.policies
    read = now_read(request.inputs.get(source, ()), setting.rewritten)
    if not is_exact(request.method) or not read_any(read, digests):
        return None
    try:
        release = policies.release(request.release)
        period = parse_period(release.period, request.period)
        part = part_of(resolve(policies, release, period, expected=request.expected_persons), source)
        inputs = inputs_again(home, policies, {source: read}, period, request.choices)
    except (NorenError, KeyError):  # it is not declared any more as it was
        return None
    if part is None or not part.tables:  # none counts the stock, or one does by what other logs tell
        return None
    schema = event_schema(policies.sources[source])
    with open_engine("duckdb", temporary=home.temporary, folders=[home.events]) as engine:
        (events,) = open_inputs(engine, policies, inputs, OUT).values()
        make_left_out(engine, home, policies, inputs, f"{OUT}_left")
        engine.register(f"{OUT}_p", pa.table({"p": pa.array(sorted(pseudonyms), pa.int64())}))
        hers = f"SELECT e.* FROM {events} AS e INNER JOIN {OUT}_p AS w ON e.p = w.p"
        engine.create(OWN, f"SELECT h.* FROM ({hers}) AS h ANTI JOIN {OUT}_left AS o ON h.p = o.p")
        engine.register(NOBODY, schema.empty_table())
        return changers(engine, (part, part), ({source: OWN}, {source: NOBODY}))


def _rows(frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The rows without whose they are: several ids of one person stay apart by their place."""
    frame = frame.assign(person=pd.factorize(frame["person"])[0])
    for row in frame.to_dict("records"):
        yield {str(name): value for name, value in row.items() if not pd.isna(value)}

"""Generate: a month of realistic logs of every source; the same seed makes the same bytes."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from anonymization.errors import InputError
from anonymization.home import Home
from jobs.synthetic import traffic
from jobs.synthetic.agents import make_agents
from jobs.synthetic.files import write_csv, write_lines, write_table
from jobs.synthetic.people import Subscriber, make_people, make_subscribers
from jobs.synthetic.places import make_places
from jobs.synthetic.traffic import World

MONTH = "2026-10"
SHARES = {"clicks": 0.45, "locations": 0.35, "weblogs": 0.12, "links": 0.08}
"""How the events spread over the logs."""
BROKEN_SHARE, LATE_SHARE, OPTOUT_SHARE = 0.0005, 0.01, 0.004
WEEKEND = 5
FEWEST_EVENTS = 1000


@dataclass
class Generated:
    """What was written, and what was planted in it.

    Attributes:
        rows: rows a source, broken and repeated ones included.
        broken: rows that the intake must quarantine, by kind.
        late: rows that arrived one or two days after their day.
        crawlers: requests of crawlers.
        refused: clicks without a cookie.
        optouts: cookies that opted out; their file is `landing/optouts.csv`.
        shared_cookies: cookies through which two members sign in.
        repeated: files delivered twice under another name.
    """

    month: str
    persons: int = 0
    members: int = 0
    files: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    late: int = 0
    crawlers: int = 0
    refused: int = 0
    optouts: int = 0
    shared_cookies: int = 0
    repeated: int = 0

    def as_dict(self) -> dict[str, object]:
        """Return the figures for a report."""
        return asdict(self)


class _Late:
    """Rows that wait for the day on which they arrive."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, date], list[str]] = {}

    def hold_back(self, rng: np.random.Generator, source: str, day: date, lines: list[str]) -> list[str]:
        """Keep a share of the lines for one or two days later; return the others."""
        late = rng.random(len(lines)) < LATE_SHARE
        later = rng.integers(1, 3, len(lines))
        for position in np.flatnonzero(late):
            arrival = day + timedelta(days=int(later[position]))
            self._waiting.setdefault((source, arrival), []).append(lines[position])
        return [line for line, kept in zip(lines, late, strict=True) if not kept]

    def arriving(self, source: str, day: date) -> list[str]:
        """Return what arrives on a day."""
        return self._waiting.pop((source, day), [])


def generate(
    home: Home, events: int, seed: int, *, month: str = MONTH, progress: Callable[[date], None] | None = None
) -> Generated:
    """Write a month of logs into landing/, one file a source and day of arrival.

    Args:
        home: the home whose `landing/` takes the logs; what it already holds of other names stays.
        events: rows over all logs, about; subscribers come on top.
        seed: the same seed and number make the same bytes.
        month: the month, `YYYY-MM`.
        progress: called after each day.

    Raises:
        InputError: fewer than 1,000 events.
    """
    if events < FEWEST_EVENTS:
        raise InputError(f"--events {events}: a month of logs takes at least {FEWEST_EVENTS}")
    rng = np.random.default_rng(seed)
    places = make_places(rng)
    agents = make_agents(rng)
    people = make_people(rng, places, events, len(agents))
    world = World(people, places, agents)
    days = traffic.days_of(month)
    weights = np.array([1.15 if day.weekday() >= WEEKEND else 1.0 for day in days])
    done = Generated(month, persons=people.count, members=len(people.members), shared_cookies=len(people.shared))
    late = _Late()
    for day, share in zip(days, weights / weights.sum(), strict=True):
        _write_day(
            home, world, rng, day, {s: max(8, int(events * part * share)) for s, part in SHARES.items()}, late, done
        )
        if progress is not None:
            progress(day)
    for day in (days[-1] + timedelta(days=1), days[-1] + timedelta(days=2)):
        for source in ("clicks", "links"):
            lines = late.arriving(source, day)
            if lines:
                _write(home, source, day, lines, "jsonl", done)
    rows = make_subscribers(rng, people, places, seed, days[0].year)
    _write_subscribers(home, days[-1], rows, done)
    _repeat_a_file(home, days, done)
    chosen = rng.choice(len(people.cookies), max(1, int(len(people.cookies) * OPTOUT_SHARE)), replace=False)
    write_csv(
        home.landing / "optouts.csv", ("namespace", "id"), [("cookie", people.cookies[i]) for i in sorted(chosen)]
    )
    done.optouts = len(chosen)
    return done


def _write_day(
    home: Home, world: World, rng: np.random.Generator, day: date, numbers: dict[str, int], late: _Late, done: Generated
) -> None:
    clicks = traffic.visits(rng, world, numbers["clicks"])
    lines = traffic.click_lines(world, day, clicks).to_pylist()
    lines, counts = traffic.broken(rng, lines, ("cut", "no zone", "bad code"), BROKEN_SHARE)
    done.broken.update(counts)
    done.crawlers += int(clicks.crawler.sum())
    done.refused += int((clicks.refused & ~clicks.crawler).sum())
    kept = late.hold_back(rng, "clicks", day, lines)
    done.late += len(lines) - len(kept)
    _write(home, "clicks", day, kept + late.arriving("clicks", day), "jsonl.gz" if day.day % 2 else "jsonl", done)

    lines = traffic.sign_in_lines(rng, world, day, numbers["links"]).to_pylist()
    kept = late.hold_back(rng, "links", day, lines)
    done.late += len(lines) - len(kept)
    _write(home, "links", day, kept + late.arriving("links", day), "jsonl", done)

    requests = traffic.visits(rng, world, numbers["weblogs"])
    lines = traffic.combined_lines(world, day, requests).to_pylist()
    cut = int(rng.integers(len(lines)))
    lines[cut] = lines[cut][:-20]
    done.broken["cut"] += 1
    done.crawlers += int(requests.crawler.sum())
    _write(home, "weblogs", day, lines, "log", done)

    table = traffic.location_rows(rng, world, day, numbers["locations"], working=day.weekday() < WEEKEND)
    latitude = table.column("latitude").to_numpy().copy()
    off = rng.choice(len(latitude), max(1, int(len(latitude) * BROKEN_SHARE)), replace=False)
    latitude[off] = 999.0
    done.broken["latitude"] += len(off)
    table = table.set_column(2, "latitude", pa.array(latitude))
    write_table(_path(home, "locations", day, "parquet"), table)
    done.rows["locations"] += table.num_rows
    done.files += 1


def _path(home: Home, source: str, day: date, suffix: str) -> Path:
    return home.landing / f"source={source}" / f"arrived={day}" / f"{source}-{day}.{suffix}"


def _write(home: Home, source: str, day: date, lines: list[str], suffix: str, done: Generated) -> None:
    write_lines(_path(home, source, day, suffix), lines)
    done.rows[source] += len(lines)
    done.files += 1


def _write_subscribers(home: Home, day: date, subscribers: list[Subscriber], done: Generated) -> None:
    header = ("as_of", *Subscriber.__dataclass_fields__)
    rows = [(str(day), *vars(row).values()) for row in subscribers]
    birth = header.index("birth_date")
    rows[0] = (*rows[0][:birth], f"{day.year + 3}-01-01", *rows[0][birth + 1 :])
    done.broken["birth date in the future"] += 1
    write_csv(_path(home, "subscribers", day, "csv"), header, rows)
    done.rows["subscribers"] = len(rows)
    done.files += 1


def _repeat_a_file(home: Home, days: list[date], done: Generated) -> None:
    """Deliver one day's web log again under another name: its content is known by then."""
    again = _path(home, "weblogs", days[14], "log").with_name("redelivered.log")
    shutil.copyfile(_path(home, "weblogs", days[4], "log"), again)
    again.chmod(0o600)
    done.repeated = 1
    done.files += 1

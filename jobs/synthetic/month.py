"""A month of realistic logs of every source; the same seed makes the same bytes."""

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
from anonymization.files import PRIVATE
from anonymization.home import Home
from jobs.synthetic import media, traffic
from jobs.synthetic.agents import make_agents
from jobs.synthetic.choosers import write_choices
from jobs.synthetic.churn import a_month_later, subscribers_of
from jobs.synthetic.files import write_csv, write_lines, write_table
from jobs.synthetic.people import Subscriber, make_people, make_subscribers
from jobs.synthetic.places import Places, make_places
from jobs.synthetic.searches import Searching, make_searching, search_lines
from jobs.synthetic.snapshots import attendee_rows, device_rows, inquiry_lines
from jobs.synthetic.traffic import World

MONTH = "2026-10"
BROKEN_SHARE, LATE_SHARE = 0.0005, 0.01
ATTENDANCES, INQUIRIES = 2000, 1000
"""One attendance of an event, one inquiry, for so many events."""
WEEKEND = 5
FEWEST_EVENTS = 1000


@dataclass
class Generated:
    """What was written, and what was planted in it.

    Attributes:
        rows: rows a source, broken and repeated ones included.
        broken: rows that the intake must quarantine, by kind.
        late: rows that arrived one or two days after their day.
        personal_keywords: searches whose keyword holds personal data.
        crawlers: requests of crawlers.
        refused: clicks without a cookie.
        optouts: cookies that opted out; their file is `landing/optouts.csv`.
        later_optouts: persons who opt out once the logs are taken in, of every namespace: `landing/optouts-later.csv`.
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
    personal_keywords: int = 0
    crawlers: int = 0
    refused: int = 0
    optouts: int = 0
    later_optouts: int = 0
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


@dataclass(frozen=True)
class _Month:
    """What the days of a month share."""

    home: Home
    rng: np.random.Generator
    seed: int
    world: World
    searching: Searching
    late: _Late
    done: Generated


@dataclass(frozen=True)
class _Log:
    """A log that is delivered every day.

    Attributes:
        share: of all events.
        suffixes: of its files on odd and on even days.
        make: makes a day of about that many rows.
        header: whether its first line names the columns.
        late: whether some of its rows arrive a day or two later.
    """

    source: str
    share: float
    suffixes: tuple[str, str]
    make: Callable[[_Month, date, int], list[str] | pa.Table]
    header: bool = False
    late: bool = False


def generate(
    home: Home, events: int, seed: int, *, month: str = MONTH, progress: Callable[[date], None] | None = None
) -> Generated:
    """Write a month of logs into landing/, one file a source and day of arrival.

    Args:
        home: the home whose `landing/` takes the logs; what it already holds of other names stays.
        events: rows over all daily logs, about; monthly snapshots, attendances and inquiries come on top.
        seed: the same seed and number make the same bytes.
        month: the month, `YYYY-MM`.
        progress: called after each day.

    Raises:
        InputError: fewer than 1,000 events.
    """
    if events < FEWEST_EVENTS:
        raise InputError(f"--events {events}: a month of logs takes at least {FEWEST_EVENTS}")
    rng = np.random.default_rng(seed)
    places, agents = make_places(rng), make_agents(rng)
    people = make_people(rng, places, events, len(agents))
    days = traffic.days_of(month)
    weights = np.array([1.15 if day.weekday() >= WEEKEND else 1.0 for day in days])
    done = Generated(month, persons=people.count, members=len(people.members), shared_cookies=len(people.shared))
    around = _Month(home, rng, seed, World(people, places, agents), make_searching(rng, seed), _Late(), done)
    for day, share in zip(days, weights / weights.sum(), strict=True):
        for log in DAILY:
            _write_day(around, log, day, max(8, int(events * log.share * share)))
        _write(around, "inquiries", day, inquiry_lines(rng, day, max(2, events // INQUIRIES // 31), seed), "jsonl")
        if progress is not None:
            progress(day)
    for day in (days[-1] + timedelta(days=1), days[-1] + timedelta(days=2)):
        for log in DAILY:
            lines = around.late.arriving(log.source, day)
            if lines:
                _write(around, log.source, day, lines, log.suffixes[0], late=True)
    _write_snapshots(around, days, places, events)
    _repeat_a_file(home, days, done)
    done.optouts, done.later_optouts = write_choices(home, people, rng)
    return done


def _write_day(around: _Month, log: _Log, day: date, number: int) -> None:
    made = log.make(around, day, number)
    suffix = log.suffixes[(day.day + 1) % 2]
    if isinstance(made, pa.Table):
        write_table(_path(around.home, log.source, day, suffix), made)
        around.done.rows[log.source] += made.num_rows
        around.done.files += 1
        return
    if log.late:
        kept = around.late.hold_back(around.rng, log.source, day, made)
        around.done.late += len(made) - len(kept)
        made = kept + around.late.arriving(log.source, day)
    _write(around, log.source, day, made, suffix, header=log.header)


def _clicks(around: _Month, day: date, number: int) -> list[str]:
    visits = traffic.visits(around.rng, around.world, number)
    around.done.crawlers += int(visits.crawler.sum())
    around.done.refused += int((visits.refused & ~visits.crawler).sum())
    lines = traffic.click_lines(around.world, day, visits).to_pylist()
    lines, counts = traffic.broken(around.rng, lines, ("cut", "no zone", "bad code"), BROKEN_SHARE)
    around.done.broken.update(counts)
    return lines


def _sign_ins(around: _Month, day: date, number: int) -> list[str]:
    return list(traffic.sign_in_lines(around.rng, around.world, day, number).to_pylist())


def _requests(around: _Month, day: date, number: int) -> list[str]:
    visits = traffic.visits(around.rng, around.world, number)
    lines: list[str] = traffic.combined_lines(around.world, day, visits).to_pylist()
    cut = int(around.rng.integers(len(lines)))
    lines[cut] = lines[cut][:-20]
    around.done.broken["cut"] += 1
    around.done.crawlers += int(visits.crawler.sum())
    return lines


def _positions(around: _Month, day: date, number: int) -> pa.Table:
    table = traffic.location_rows(around.rng, around.world, day, number, working=day.weekday() < WEEKEND)
    latitude = table.column("latitude").to_numpy().copy()
    off = around.rng.choice(len(latitude), max(1, int(len(latitude) * BROKEN_SHARE)), replace=False)
    latitude[off] = 999.0
    around.done.broken["latitude"] += len(off)
    return table.set_column(2, "latitude", pa.array(latitude))


def _searches(around: _Month, day: date, number: int) -> list[str]:
    lines, personal = search_lines(around.rng, around.world, around.searching, day, number)
    around.done.personal_keywords += personal
    return lines


DAILY = (
    _Log("clicks", 0.30, ("jsonl.gz", "jsonl"), _clicks, late=True),
    _Log("locations", 0.24, ("parquet", "parquet"), _positions),
    _Log("displays", 0.13, ("jsonl", "jsonl.gz"), lambda a, d, n: media.display_lines(a.rng, a.world, d, n)),
    _Log("searches", 0.08, ("tsv.gz", "tsv"), _searches, header=True),
    _Log("weblogs", 0.07, ("log", "log.gz"), _requests),
    _Log("links", 0.06, ("jsonl", "jsonl"), _sign_ins, late=True),
    _Log(
        "analytics", 0.06, ("tsv", "tsv.gz"), lambda a, d, n: media.analytics_lines(a.rng, a.world, d, n), header=True
    ),
    _Log("service_usage", 0.04, ("parquet", "parquet"), lambda a, d, n: media.usage_table(a.rng, a.world, d, n)),
    _Log("beacons", 0.01, ("jsonl.gz", "jsonl.gz"), lambda a, d, n: media.beacon_lines(a.rng, a.world, d, n)),
    _Log(
        "partner_sites", 0.01, ("tsv.gz", "tsv"), lambda a, d, n: media.partner_lines(a.rng, a.world, d, n), header=True
    ),
)
"""The logs of every day, the big ones first."""


def _path(home: Home, source: str, day: date, suffix: str, *, late: bool = False) -> Path:
    """Where a file lies; what comes late, in the month after, has a name beside that month's own."""
    return home.landing / f"source={source}" / f"arrived={day}" / f"{source}-{day}{'-late' if late else ''}.{suffix}"


def _write(
    around: _Month, source: str, day: date, lines: list[str], suffix: str, *, header: bool = False, late: bool = False
) -> None:
    write_lines(_path(around.home, source, day, suffix, late=late), lines)
    around.done.rows[source] += len(lines) - header
    around.done.files += 1


def _write_snapshots(around: _Month, days: list[date], places: Places, events: int) -> None:
    """Write what is delivered once a month: subscribers, terminals, attendees of events.

    Where the month before lies in the same home, subscribers are those of then but for who came, went or moved.
    """
    people, rng = around.world.people, around.rng
    subscribers = make_subscribers(rng, people, places, around.seed, days[0].year)
    if (before := _path(around.home, "subscribers", days[0] - timedelta(days=1), "csv")).is_file():
        churn = np.random.default_rng([around.seed, days[0].toordinal()])
        subscribers = a_month_later(churn, subscribers_of(before), people, places, around.seed, days[0].year)
    header = ("as_of", *Subscriber.__dataclass_fields__)
    rows = [(str(days[-1]), *vars(row).values()) for row in subscribers]
    birth = header.index("birth_date")
    rows[0] = (*rows[0][:birth], f"{days[-1].year + 3}-01-01", *rows[0][birth + 1 :])
    around.done.broken["birth date in the future"] += 1
    attendees = attendee_rows(rng, days, max(4, events // ATTENDANCES), around.seed)
    last_event = date.fromisoformat(max(row[0] for row in attendees[1]))
    for source, arrived, suffix, (names, records), encoding in (
        ("subscribers", days[-1], "csv", (header, rows), "utf-8"),
        ("devices", days[-1], "csv.gz", device_rows(rng, people, days[-1]), "utf-8"),
        ("event_attendees", last_event, "csv", attendees, "cp932"),
    ):
        write_csv(_path(around.home, source, arrived, suffix), names, records, encoding)
        around.done.rows[source] = len(records)
        around.done.files += 1


def _repeat_a_file(home: Home, days: list[date], done: Generated) -> None:
    """Deliver one day's web log again under another name: its content is known by then."""
    again = _path(home, "weblogs", days[14], "log").with_name("redelivered.log")
    shutil.copyfile(_path(home, "weblogs", days[4], "log"), again)
    again.chmod(PRIVATE)
    done.repeated = 1
    done.files += 1

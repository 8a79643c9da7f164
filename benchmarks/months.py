"""`python -m benchmarks.months`: what a second month of subscribers keeps, by two rules of what a difference may tell.

By *differences* a figure is shown that is as it was, or N apart or more; by *changers* one that is as it was, or of
which N persons or more joined, left or moved. Both alone, without what must be hidden for others. With `--events` two
months go through the house, as `noren generate` makes them, and what the second one publishes is told.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anonymization.home import Home
from anonymization.release.setting import opened
from anonymization.tables.utility import noted
from jobs.synthetic.churn import END, JOIN, LEAVE, MOVE, TAKE
from jobs.synthetic.month import generate
from jobs.synthetic.people import AGE_SHARES, EXTRA_SERVICE, SERVICE_SHARES, persons_of
from jobs.synthetic.places import CITIES
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import open_demo, release

N, RELEASE, MONTHS = 10, "monthly-audience", ("2026-10", "2026-11")
REGIONS = np.repeat(np.arange(8), (1, 6, 7, 9, 7, 5, 4, 8))
SHARES = np.array([city[3] for city in CITIES], dtype=np.float64) / sum(city[3] for city in CITIES)
ROW = "  {:>9} {:<15}{:>9}{:>13}{:>10}{:>13}{:>13}{:>10}"
Cells = npt.NDArray[np.int64]


def drawn(rng: np.random.Generator, members: int) -> tuple[Cells, Cells, npt.NDArray[np.bool_]]:
    """Return the prefecture, the age band and the services of so many members."""
    services = rng.random((members, len(SERVICE_SHARES))) < EXTRA_SERVICE
    services[np.arange(members), rng.choice(len(SERVICE_SHARES), members, p=SERVICE_SHARES)] = True
    return rng.choice(47, members, p=SHARES), rng.choice(len(AGE_SHARES), members, p=AGE_SHARES), services


def two_months(rng: np.random.Generator, members: int) -> list[tuple[Cells, Cells, npt.NDArray[np.bool_]]]:
    """Return the same members of two months, without any service in one that they are not in."""
    place, age, services = drawn(rng, members)
    moved = np.where(rng.random(members) < MOVE, rng.choice(47, members, p=SHARES), place)
    older = np.minimum(age + (rng.random(members) < 1 / 120), len(AGE_SHARES) - 1)
    later = services.copy()
    takes, ends = np.flatnonzero(rng.random(members) < TAKE), np.flatnonzero(rng.random(members) < END)
    later[takes, rng.choice(len(SERVICE_SHARES), len(takes), p=SERVICE_SHARES)] = True
    several = ends[services[ends].sum(axis=1) > 1]
    later[several, services[several].argmax(axis=1)] = False
    later[rng.random(members) < LEAVE] = False
    new = drawn(rng, int(members * JOIN))
    joined = [np.concatenate(pair) for pair in zip((place, age), new[:2], strict=True)]
    changed = [np.concatenate(pair) for pair in zip((moved, older), new[:2], strict=True)]
    before = np.concatenate([services, np.zeros_like(new[2])])
    return [(*joined, before), (*changed, np.concatenate([later, new[2]]))]  # type: ignore[list-item]


def in_cells(
    month: tuple[Cells, Cells, npt.NDArray[np.bool_]], by: tuple[bool, ...], places: Cells
) -> tuple[Cells, int]:
    """Return person and cell as one number, of whoever is in a cell of a margin, and how many cells there are."""
    place, age, services = month
    size = (int(places.max()) + 1 if by[0] else 1, len(AGE_SHARES) if by[1] else 1, services.shape[1] if by[2] else 1)
    cell = (places[place] * by[0]) * size[1] + age * by[1]
    if by[2]:
        person, service = np.nonzero(services)
        return person * int(np.prod(size)) + cell[person] * size[2] + service, int(np.prod(size))
    person = np.flatnonzero(services.any(axis=1))
    return person * int(np.prod(size)) + cell[person], int(np.prod(size))


def rules(members: int, places: Cells, seed: int = 1) -> list[str]:
    """Return the columns of a line: headlines and finest cells, in all and by both rules."""
    months = two_months(np.random.default_rng(seed), members)
    heads, finest = np.zeros(3, dtype=np.int64), np.zeros(3)
    for by in itertools.product((False, True), repeat=3):
        (before, size), (after, _) = (in_cells(month, by, places) for month in months)
        then, now = (np.bincount(inside % size, minlength=size) for inside in (before, after))
        changers = np.bincount(np.setxor1d(before, after) % size, minlength=size)
        alone, same = now >= N, (now == then) | (then < N)
        kept = np.array([alone, alone & (same | (np.abs(now - then) >= N)), alone & (same | (changers >= N))])
        heads += kept.sum(axis=1) if sum(by) < 2 else 0  # noqa: PLR2004 - a total, or one dimension alone
        finest = (kept * now).sum(axis=1) if all(by) else finest
    shares = [f"{share:.0%}" for share in finest[1:] / finest[0]]
    return [f"{members:,}", f"{int(places.max()) + 1} places", *map(str, heads), "100%", *shares]


def through_the_house(events: int, folder: Path) -> list[str]:
    """Return what each month publishes of its subscribers."""
    home, found = Home(folder), []
    open_demo(home, persons_of(events))
    with opened(home) as setting:
        for month in MONTHS:
            generate(home, events, 1, month=month)
            for source in home.landing.glob("source=*"):
                if source.name.removeprefix("source=") not in setting.policies.release(RELEASE).sources:
                    shutil.rmtree(source)
            run_intake(home, setting.policies, arrivals(home, setting.policies), optouts=())
            candidate = build(setting, RELEASE, month)
            opened_so = gate(setting, candidate.id).opened
            (one,) = (u for u in noted(candidate.request.utility) if u.measure == "subscribers")
            found.append(f"{month}, gate {'open' if opened_so else 'closed'}: {one}, {one.months} for the other month")
            if month != MONTHS[-1]:
                release(setting, RELEASE, month)
    return found


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[])
    given = parser.parse_args()
    print(ROW.format("members", "", "headlines", "differences", "changers", "finest cells", "differences", "changers"))
    for members in (3_000, 15_000, 150_000, 1_500_000):
        for places in (REGIONS, np.arange(47)):
            print(ROW.format(*rules(members, places)))
    for events in given.events:
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(through_the_house(events, Path(folder) / "home")))


if __name__ == "__main__":
    main()

"""`python -m benchmarks.many`: a home of many publications, audited together; what a reader with all of them can do.

Twice: the shipped releases month after month, of persons of whom no two months know each other's; and one month told in
many ways, by groupings, filters and days that overlap, some of it in three versions.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from anonymization.errors import NorenError
from anonymization.home import Home, policy_folder
from anonymization.policy.load import load_policies
from anonymization.release.candidate import Candidate
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.setting import Setting
from benchmarks.measure import apart, now, since
from jobs.synthetic.month import MONTH, generate
from jobs.synthetic.people import persons_of
from jobs.verbs.audit import attack
from jobs.verbs.build import build
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES, open_demo, release

PUBLICATIONS = 24
FIRST = (2025, 1)
SOURCE = "service_usage"
TITLE = {"en": "Use of services", "ja": "利用"}
PARTS = ("arrived=2026-10-1", "arrived=2026-10-2")
"""What is delivered after the first version, and after the second."""
DIMENSIONS: Mapping[str, Mapping[str, Any]] = {
    "service": {"kind": "event", "column": "service", "codelist": "service", "levels": ["service"]},
    "status": {"kind": "event", "column": "status", "codelist": "usage_status", "levels": ["status"]},
    "channel": {"kind": "event", "column": "channel", "codelist": "usage_channel", "levels": ["channel"]},
    "week": {"kind": "event", "column": "week", "levels": ["week"]},
    "day_type": {"kind": "event", "column": "day_type", "codelist": "day_type", "levels": ["day_type"]},
    "age_band": {"kind": "person", "attribute": "age_band", "hierarchy": "age", "levels": ["age_band"]},
    "generation": {
        "kind": "person", "attribute": "age_band", "hierarchy": "age", "finest": 1, "levels": ["generation"]
    },
    "half": {"kind": "person", "attribute": "age_band", "hierarchy": "age", "finest": 2, "levels": ["half"]},
    "region": {"kind": "person", "attribute": "region", "hierarchy": "region", "finest": 1, "levels": ["region"]},
}  # fmt: skip
VERSIONED = {"by-service": (["service"], [None]), "by-half": (["half"], [None, ["mail", "news"]])}
WAYS: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str] | None]]] = {
    **VERSIONED,
    "ages": (["age_band", "service"], [None]),
    "generations": (["generation", "status"], [None]),
    "halves": (["half", "channel"], [["mail", "news"], ["news", "maps"], ["mail", "news", "maps"]]),
    "regions": (["region", "service"], [None]),
    "region-and-age": (["region", "half"], [None, ["search"]]),
    "status": (["status", "service"], [None]),
    "channels": (["channel", "status"], [None, ["search", "mail"]]),
    "weeks": (["week", "service"], [None]),
    "kinds-of-day": (["day_type", "generation"], [None]),
    "weeks-of-mail": (["week", "half"], [["mail"], ["mail", "search"]]),
    "pairs": (["generation"], [["mail", "news"], ["news", "maps"], ["maps", "shopping"], ["shopping", "music"]]),
    "triples": (["half"], [["mail", "news", "maps"], ["news", "maps", "shopping"], ["maps", "shopping", "music"]]),
    "all-but-mail": (["status"], [["search", "news", "maps", "shopping", "music"]]),
    "all-but-search": (["region"], [["mail", "news", "maps", "shopping", "music"]]),
    "music": (["half", "status"], [["music"], ["music", "maps"]]),
    "shopping": (["generation", "channel"], [["shopping"]]),
    "news-by-day": (["day_type", "channel"], [["news"], ["news", "search"]]),
    "everything": (["half", "service", "status"], [None]),
}


def months(number: int) -> list[str]:
    """Return so many months, one after the other."""
    year, first = FIRST
    return [f"{year + at // 12}-{at % 12 + 1:02}" for at in range(first - 1, first - 1 + number)]


def built_months(root: Path, events: int, number: int) -> list[Path]:
    """Return the packages of the shipped releases of so many months, each of persons of its own."""
    home, packages = Home(root / "home"), []
    open_demo(home, persons_of(events))
    with closing(Ledger.of(home)) as ledger:
        setting = Setting(home, load_policies(policy_folder()), ledger)
        for seed, month in enumerate(months(number)):
            generate(home, events, seed, month=month)
            run_intake(home, setting.policies, arrivals(home, setting.policies), optouts=[])
            packages += [_kept(build(setting, name, month), root, f"{name} {month}") for name in RELEASES]
            shutil.rmtree(home.landing)
            home.landing.mkdir()
    return packages


def _kept(candidate: Candidate, root: Path, name: str) -> Path:
    return Path(shutil.copytree(candidate.package, root / "packages" / name))


def declared(folder: Path) -> Path:
    """Write a policy folder in which one month is told in many ways; no log is due on any day."""
    shutil.copytree(policy_folder(), folder)
    for path in (folder / "sources").iterdir():
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"arrives": "irregularly"}))
    shipped = yaml.safe_load((folder / "releases" / "service-usage.yaml").read_text())
    of_persons = {name: {"source": "subscribers", "column": column, "resolve": "latest"}
                  for name, column in (("age_band", "age_band"), ("region", "prefecture"))}  # fmt: skip
    for name, (dimensions, filters) in WAYS.items():
        attributes = {str(DIMENSIONS[d].get("attribute")) for d in dimensions} & of_persons.keys()
        content = shipped | {
            "release": name,
            "sources": [SOURCE, *(["subscribers"] if attributes else [])],
            "attributes": {attribute: of_persons[attribute] for attribute in attributes},
            "dimensions": {d: {"title": TITLE, **DIMENSIONS[d]} for d in dimensions},
            "tables": {"usage": {"title": TITLE, "dimensions": list(dimensions), "measures": _measures(filters)}},
            "pins": {},
            "protection": {"method": "suppression", "minimum_count": 10, "suppression_limit": 0.99},
        }
        path = folder / "releases" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder


def _measures(filters: Sequence[Sequence[str] | None]) -> dict[str, Any]:
    kinds = {"users": "persons", "uses": "total"}
    return {
        f"{name}{number}": {"kind": kind, "source": SOURCE, "title": TITLE, "where": {"service": kept} if kept else {}}
        for number, kept in enumerate(filters)
        for name, kind in kinds.items()
    }


def told_in_many_ways(root: Path, events: int) -> Iterator[tuple[str, Path | str]]:
    """Publish one month in many ways, some in three versions; yield the folder of each, or why it was refused."""
    home = Home(root / "home")
    open_demo(home)
    with closing(Ledger.of(home)) as ledger:
        setting = Setting(home, load_policies(declared(root / "policies")), ledger)
        generate(home, events, 0)
        landing, later = home.landing / f"source={SOURCE}", root / "later"
        later.mkdir()
        for part in PARTS:
            for folder in sorted(landing.glob(f"{part}*")):
                folder.rename(later / folder.name)
        for part in ("", *PARTS):
            for folder in sorted(later.glob(f"{part}*")) if part else ():
                folder.rename(landing / folder.name)
            run_intake(home, setting.policies, arrivals(home, setting.policies), optouts=[])
            yield from ((name, _published(setting, name)) for name in VERSIONED)
        yield from ((name, _published(setting, name)) for name in WAYS if name not in VERSIONED)


def _published(setting: Setting, name: str) -> Path | str:
    try:
        return release(setting, name, MONTH).folder
    except NorenError as error:
        return str(error)


def _audited(folders: Sequence[Path]) -> int:
    return len(attack(folders))


def show(events: int, publications: int = PUBLICATIONS) -> None:
    """Print what the audit of a home of many publications takes, and what it finds."""
    print(f"\na home of many publications, {events:,} events a month, attacked together")
    with tempfile.TemporaryDirectory(prefix="noren-many-") as folder:
        cost, packages = apart(partial(built_months, Path(folder), events, publications))
        _tell(f"{publications} months of {len(RELEASES)} releases", packages, cost.cpu)
    with tempfile.TemporaryDirectory(prefix="noren-many-") as folder:
        before = now()
        told = list(told_in_many_ways(Path(folder), events))
        packages = [where for _, where in told if isinstance(where, Path)]
        _tell(f"one month in {len(WAYS)} ways, two in three versions", packages, since(before).cpu)
        for name, why in told:
            if isinstance(why, str):
                print(f"  refused: {name}: {why[:200]}")


def _tell(name: str, packages: Sequence[Path], making: float) -> None:
    cost, found = apart(partial(_audited, packages))
    print(
        f"{name}: {len(packages)} publications, made in {making:.0f} CPU s, "
        f"audited in {cost.cpu:.1f} CPU s and {cost.peak / 1e6:,.0f} MB, {found} findings",
        flush=True,
    )


def main() -> None:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="of each month")
    parser.add_argument("--publications", type=int, default=PUBLICATIONS, help="of each shipped release")
    given = parser.parse_args()
    os.environ.setdefault("NOREN_MEMORY_LIMIT", "2GB")
    show(given.events, given.publications)


if __name__ == "__main__":
    main()

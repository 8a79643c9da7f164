"""Non-interference: whether an opted-out person is in the logs or not, the packages are the same to the byte."""

from __future__ import annotations

import gzip
import re
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
from harness.forms import is_long
from harness.pseudonyms import pseudonym

from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.setting import Setting
from jobs.synthetic.month import generate
from jobs.verbs.build import build
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES

PERIOD, EVENTS, SEED, PERSONS = "2026-10", 60_000, 9, 40
COOKIE = re.compile(r'"cookie_id": ?"([^"]+)"')


def taken_in(home, policies, chosen):
    needed = {source for name in names() for source in policies.release(name).sources}
    files = [arrival for source in sorted(needed) for arrival in arrivals(home, policies, source)]
    run_intake(home, policies, files, optouts=[("cookie", one) for one in chosen])
    return home


def with_keys_of(home, folder):
    """A home of the same keys, with the same logs."""
    shutil.copytree(home.root, folder)
    return Home(folder).create()


def opened(path, mode):
    return gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)


def without(home, chosen):
    """Take every row of some cookies out of the raw logs; tell how many rows it were."""
    rows = 0
    names = [one.encode() for one in chosen]
    for path in sorted(p for p in home.landing.rglob("source=*/*/*") if p.is_file()):
        if path.suffix == ".parquet":
            values = (str(value) for column in pq.read_table(path).columns for value in column.unique().to_pylist())
            assert set(chosen).isdisjoint(values), "cookies are in no Parquet log"
            continue
        with opened(path, "rb") as file:
            lines = file.read().split(b"\n")
        kept = [line for line in lines if not any(one in line for one in names)]
        if len(kept) < len(lines):
            rows += len(lines) - len(kept)
            with opened(path, "wb") as file:
                file.write(b"\n".join(kept))
    return rows


def names():
    return RELEASES if is_long("attacks") else ("monthly-audience", "media-and-ads")


def digests(home, policies, names):
    ledger = Ledger.of(home)
    try:
        setting = Setting(home, policies, ledger)
        return {name: build(setting, name, PERIOD).request.digest for name in names}
    finally:
        ledger.close()


@pytest.fixture(scope="module")
def homes(tmp_path_factory, policies):
    """The logs of a month: as they are; without the rows of the persons who opted out; and who they are."""
    folder = tmp_path_factory.mktemp("interference")
    home = Home(folder / "with")
    initialize(home)
    generate(home, EVENTS, SEED)
    pseudonym(PeriodKeys(home), PERIOD, "")  # makes the period's key
    chosen = busiest(home)
    other = with_keys_of(home, folder / "without")
    third = with_keys_of(home, folder / "ignored")
    assert without(other, chosen) > PERSONS
    return taken_in(home, policies, chosen), taken_in(other, policies, chosen), taken_in(third, policies, ()), chosen


def busiest(home):
    """Cookies with many clicks: their rows are in every log."""
    seen = Counter()
    for path in home.landing.rglob("source=clicks/*/*"):
        with opened(path, "rt") as file:
            seen.update(COOKIE.findall(file.read()))
    return sorted(sorted(seen), key=seen.__getitem__)[-PERSONS:]


@pytest.mark.both("attacks")
def test_with_or_without_an_opted_out_person_the_packages_are_equal(homes, policies):
    there, gone, ignored, chosen = homes
    assert len(chosen) == PERSONS
    packages = digests(gone, policies, names())
    assert digests(there, policies, names()) == packages
    # the attack works: where the choices are not kept, a package tells whether those persons are in the logs
    assert digests(ignored, policies, ["monthly-audience"]).items().isdisjoint(packages.items())

"""Non-interference: whether an opted-out person is in the logs or not, the packages are the same to the byte."""

from __future__ import annotations

import gzip
import shutil

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.release.ledger import Ledger
from jobs.build import build
from jobs.demo import RELEASES
from jobs.generate import generate
from jobs.init import initialize
from jobs.intake import arrivals, run_intake
from jobs.setting import Setting

pytestmark = pytest.mark.xdist_group("attacks")
PERIOD, EVENTS, SEED, PERSONS = "2026-10", 60_000, 9, 40


def taken_in(home, policies, chosen):
    run_intake(home, policies, arrivals(home, policies), optouts=[("cookie", one) for one in chosen])
    return home


def with_keys_of(home, folder):
    """A home of the same keys, with the same logs."""
    shutil.copytree(home.root, folder)
    return Home(folder).create()


def without(home, chosen):
    """Take every row of some cookies out of the raw logs, whatever their format; tell how many rows it were."""
    rows = 0
    for path in sorted(p for p in home.landing.rglob("source=*/*/*") if p.is_file()):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            mine = [
                pc.is_in(table[c], pc.cast(list(chosen), table[c].type))
                for c in table.column_names
                if table[c].type == "string"
            ]
            for hit in mine:
                rows += pc.sum(hit).as_py() or 0
            continue
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as file:
            lines = file.read().split(b"\n")
        kept = [line for line in lines if not any(one in line for one in chosen_bytes(chosen))]
        if len(kept) < len(lines):
            rows += len(lines) - len(kept)
            with opened(path, "wb") as file:
                file.write(b"\n".join(kept))
    return rows


def chosen_bytes(chosen):
    return [one.encode() for one in chosen]


def digests(home, policies, names=RELEASES):
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
    PeriodKeys(home).pseudonym(PERIOD, "")  # makes the period's key
    chosen = busiest(home)
    other = with_keys_of(home, folder / "without")
    third = with_keys_of(home, folder / "ignored")
    assert without(other, chosen) > PERSONS
    return taken_in(home, policies, chosen), taken_in(other, policies, chosen), taken_in(third, policies, ()), chosen


def busiest(home):
    """Cookies with many clicks: their rows are in every log."""
    seen = {}
    for path in home.landing.rglob("source=clicks/*/*"):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt") as file:
            for line in file:
                at = line.find('"cookie_id"')
                if at >= 0 and line[at + 11 :].lstrip(": ").startswith('"'):
                    cookie = line[at + 11 :].lstrip(": ").split('"')[1]
                    seen[cookie] = seen.get(cookie, 0) + 1
    return sorted(sorted(seen), key=seen.__getitem__)[-PERSONS:]


def test_with_or_without_an_opted_out_person_the_packages_are_equal(homes, policies):
    there, gone, ignored, chosen = homes
    assert len(chosen) == PERSONS
    packages = digests(gone, policies)
    assert digests(there, policies) == packages
    # the attack works: where the choices are not kept, a package tells whether those persons are in the logs
    assert digests(ignored, policies, ["monthly-audience"]).items().isdisjoint(packages.items())

"""Non-interference: whether persons who opted out are in the logs or not, the packages are the same to the byte.

Every kind of choice is among them, half of them recorded before the intake and half after it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from harness.forms import examples, is_long
from harness.pseudonyms import pseudonym
from hypothesis import given
from hypothesis import strategies as st

from anonymization.files import private_folder
from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.load import load_policies
from anonymization.policy.sources import Format
from anonymization.release.choices import add_optouts, optouts
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from jobs.synthetic.month import generate
from jobs.verbs.build import build
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import RELEASES

PERIOD, SEED = "2026-10", 9
SNAPSHOTS = ("subscribers", "devices", "event_attendees")
CHOSEN = {"cookie": 60, "member": 40, "client": 40, "device": 40, "address": 10, "attendee": 5, "inquirer": 5}
"""How many persons choose by ids of each namespace: 200."""
SMALLER = {
    "monthly-audience": ["region", "service"],
    "media-and-ads": ["region"],
    "search-trends": ["keyword"],
    "service-usage": ["age_band"],
    "web-audience": ["access_source"],
    "population-by-place": ["mesh", "day_type"],
}
"""Dimensions of the shipped releases' tables that are enough to tell of somebody, and protected in no time."""


@dataclass(frozen=True)
class Form:
    """How large the proof is: events of a whole month, those days of it that arrive, and the sources."""

    events: int
    days: tuple[str, ...]
    every_source: bool

    @classmethod
    def of_this_run(cls):
        if is_long("attacks"):
            return cls(60_000, tuple(f"{day:02}" for day in range(1, 34)), every_source=True)
        return cls(30_000, ("04", "05"), every_source=False)


def smaller(policies, folder):
    """The shipped policies with tables of fewer dimensions, where few persons show: house rules of three."""
    shutil.copytree(policies.folder, folder)
    text = (folder / "policy.yaml").read_text()
    for old in ("default: 10", "{location: 20}", "search_keywords: 50"):
        assert old in text
    text = text.replace("default: 10", "default: 3").replace("{location: 20}", "{}")
    (folder / "policy.yaml").write_text(text.replace("search_keywords: 50", "search_keywords: 3"))
    for name, kept in SMALLER.items():
        path = folder / "releases" / f"{name}.yaml"
        content = yaml.safe_load(path.read_text())
        content["dimensions"] = {n: d for n, d in content["dimensions"].items() if n in kept}
        if "region" in kept:
            content["dimensions"]["region"] |= {"finest": 1, "levels": ["region"]}
        for table in content["tables"].values():
            table["dimensions"] = kept
        limit = 0 if "merge" in content["protection"] else 0.99
        content |= {"protection": content["protection"] | {"minimum_count": 3, "suppression_limit": limit}, "pins": {}}
        content["headlines"] = {table: [[]] for table in content["tables"]}
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    return load_policies(folder)


def packed(path, content):
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def unpacked(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def records(source, path):
    """The records of a log, each with the fields that tell whose it is, and what writes some of them again."""
    if source.format is Format.PARQUET:
        table = pq.read_table(path)
        return table.to_pylist(), lambda kept: pq.write_table(pa.Table.from_pylist(kept, table.schema), path)
    if source.format is Format.CSV:
        encoding = "cp932" if source.encoding.value == "shift_jis" else "utf-8"
        rows = list(csv.DictReader(io.StringIO(unpacked(path).decode(encoding))))

        def write(kept):
            text = io.StringIO()
            writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
            packed(path, text.getvalue().encode(encoding))

        return rows, write
    lines = unpacked(path).split(b"\n")
    fields = {Format.JSON_LINES: of_json, Format.TSV: of_tsv(lines[0]), Format.COMBINED_LOG: of_combined}[source.format]
    return [{"line": line, **fields(line)} for line in lines], lambda kept: packed(
        path, b"\n".join(row["line"] for row in kept)
    )


def of_json(line):
    try:
        return json.loads(line)
    except ValueError:
        return {}


def of_tsv(header):
    names = header.decode().split("\t")
    return lambda line: {} if line == header else dict(zip(names, line.decode().split("\t"), strict=False))


def of_combined(line):
    return {"host": line.decode().split(" ")[0]}


def ids(source, record):
    """Whose a record may be, as (namespace, id)."""
    named = ((person.namespace, record.get(person.column)) for person in source.persons)
    return [(namespace, identity) for namespace, identity in named if identity]


def logs(home, policies):
    for arrival in arrivals(home, policies):
        yield arrival.source, arrival.path, *records(arrival.source, arrival.path)


def covered(home, policies, chosen):
    """The chosen, and every cookie through which a chosen member signed in."""
    found = set(chosen)
    for source, _, rows, _ in logs(home, policies):
        if source.source == "links":
            for named in (ids(source, row) for row in rows):
                if any(namespace == "member" and (namespace, one) in chosen for namespace, one in named):
                    found |= set(named)
    return found


def without(home, policies, gone):
    """Take every row of some persons out of the raw logs; tell how many rows it were by namespace."""
    rows = Counter()
    for source, _, every, write in list(logs(home, policies)):
        kept = [row for row in every if gone.isdisjoint(ids(source, row))]
        if len(kept) < len(every):
            rows.update(named[0] for row in every for named in ids(source, row)[:1] if named in gone)
            write(kept)
    return rows


def busiest(home, policies):
    """Persons of each namespace whose rows are many."""
    seen = defaultdict(Counter)
    for source, _, rows, _ in logs(home, policies):
        for row in rows:
            for namespace, identity in ids(source, row):
                seen[namespace][identity] += 1
    return [
        (namespace, one)
        for namespace, number in CHOSEN.items()
        for one in sorted(sorted(seen[namespace]), key=seen[namespace].__getitem__)[-number:]
    ]


def with_logs(folder, policies, form, *, sources):
    """A home with the logs of some days, and the month's key."""
    home = Home(folder)
    initialize(home, policies=policies.folder)
    generate(home, form.events, SEED)
    for arrived in home.landing.glob("source=*/arrived=*"):
        name = arrived.parent.name.removeprefix("source=")
        if (name not in sources and not form.every_source) or (
            name not in SNAPSHOTS and arrived.name[-2:] not in form.days
        ):
            shutil.rmtree(arrived)
    pseudonym(PeriodKeys(home), PERIOD, "")  # makes the period's key
    return home


def with_keys_of(home, folder):
    """A home of the same keys, with the same logs."""
    shutil.copytree(home.root, folder)
    return Home(folder).create()


def choose(home, policies, people):
    ledger = Ledger.of(home)
    try:
        add_optouts(home, ledger, people, namespaces=policies.namespaces)
    finally:
        ledger.close()


def take_in(home, policies):
    run = run_intake(home, policies, arrivals(home, policies), optouts=optouts(home))
    assert run.failures == ()


def packages(home, policies, names, engine="duckdb"):
    ledger = Ledger.of(home)
    try:
        setting = Setting(home, policies, ledger)
        return {name: build(setting, name, PERIOD, engine=engine).request.digest for name in names}
    finally:
        ledger.close()


def read_by(policies, names):
    return {source for name in names for source in policies.release(name).sources}


@dataclass(frozen=True)
class Pair:
    """Two homes of equal keys: one in which persons chose, and one whose logs never had them; with what is built there.

    `half` was built when half of the choices were recorded.
    """

    policies: object
    there: Home
    gone: Home
    half: dict
    built: dict


@pytest.fixture(scope="module")
def pair(tmp_path_factory, policies):
    folder = tmp_path_factory.mktemp("interference")
    form = Form.of_this_run()
    policies = policies if is_long("attacks") else smaller(policies, folder / "policies")
    there = with_logs(folder / "there", policies, form, sources=read_by(policies, RELEASES))
    chosen = busiest(there, policies)
    assert len(chosen) > 190 or not form.every_source
    gone = with_keys_of(there, folder / "gone")
    removed = without(gone, policies, covered(there, policies, set(chosen)))
    assert {"cookie", "member", "client", "device"} <= removed.keys()
    choose(there, policies, chosen[::2])
    for home in (there, gone):
        take_in(home, policies)
    half = packages(there, policies, RELEASES)
    choose(there, policies, chosen[1::2])
    return Pair(policies, there, gone, half, packages(gone, policies, RELEASES))


@pytest.mark.both("attacks")
def test_with_or_without_those_who_opted_out_the_packages_are_equal(pair):
    assert packages(pair.there, pair.policies, RELEASES) == pair.built
    # the attack works: before the other half was recorded, each package told whether those persons are in the logs
    assert pair.half.items().isdisjoint(pair.built.items())


@pytest.mark.spark
@pytest.mark.both("attacks")
def test_the_other_engine_leaves_them_out_too(pair):
    names = RELEASES if is_long("attacks") else ("monthly-audience",)
    expected = {name: pair.built[name] for name in names}
    assert packages(pair.there, pair.policies, names, engine="spark") == expected


@pytest.fixture(scope="module")
def small(tmp_path_factory, policies):
    """Logs of 2,000 events, of the sources that are joined by sign-ins, and whose rows they are."""
    folder = tmp_path_factory.mktemp("small")
    few = smaller(policies, folder / "policies")
    month = Form(2_000, tuple(f"{day:02}" for day in range(1, 32)), every_source=False)
    home = with_logs(folder / "home", few, month, sources={"subscribers", "links", "clicks"})
    for source in ("links", "clicks"):  # one file is taken in in a moment, sixty are not
        files = sorted(home.landing.glob(f"source={source}/*/*"))
        content = b"".join(map(unpacked, files))
        shutil.rmtree(home.landing / f"source={source}")
        packed(private_folder(home.landing / f"source={source}" / "arrived=2026-10-31") / "all.jsonl", content)
    people = sorted({one for source, _, rows, _ in logs(home, few) for row in rows for one in ids(source, row)})
    told = with_keys_of(home, folder / "told")
    take_in(told, few)
    packages(told, few, ["monthly-audience"])
    (package,) = (read_package(path) for path in told.candidates.glob("[0-9]*/package"))
    assert (package.tables[0].frame["users"].fillna(0) > 0).sum() > 20, "figures are there to tell of somebody"
    return few, home, people, folder


@examples(12)
@given(data=st.data())
def test_whoever_chooses_and_whenever(small, data):
    few, home, people, folder = small
    chosen = data.draw(st.lists(st.sampled_from(people), min_size=1, max_size=len(people) // 2, unique=True))
    before = data.draw(st.integers(0, len(chosen)))
    there, gone = (with_keys_of(home, folder / name) for name in ("there", "gone"))
    try:
        without(gone, few, covered(there, few, set(chosen)))
        for part, take in ((chosen[:before], True), (chosen[before:], False)):
            if part:
                choose(there, few, part)
            if take:
                take_in(there, few)
        take_in(gone, few)
        assert packages(there, few, ["monthly-audience"]) == packages(gone, few, ["monthly-audience"])
    finally:
        for one in (there, gone):
            shutil.rmtree(one.root)

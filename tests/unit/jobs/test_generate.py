"""The same seed makes the same bytes; what is planted is there; nothing points at anybody real."""

from __future__ import annotations

import gzip
import hashlib
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from anonymization.errors import InputError
from anonymization.home import Home
from anonymization.release.choices import read_optouts
from jobs.synthetic.churn import a_month_later, subscribers_of
from jobs.synthetic.month import generate
from jobs.synthetic.people import make_people
from jobs.synthetic.places import make_places
from jobs.verbs.intake import arrivals

pytestmark = pytest.mark.xdist_group("generate")


def digests(home):
    return {
        p.relative_to(home.landing).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in home.landing.rglob("*")
        if p.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("generated")).create()
    return home, generate(home, 12_000, 7)


def test_the_same_seed_makes_the_same_bytes(made, tmp_path):
    home = Home(tmp_path / "again").create()
    generate(home, 12_000, 7)
    assert digests(home) == digests(made[0])


def test_another_seed_makes_other_bytes(made, tmp_path):
    home = Home(tmp_path / "other").create()
    generate(home, 3_000, 8)
    same = digests(home).items() & digests(made[0]).items()
    assert not same


def test_every_source_is_there_and_declared(made, policies):
    files = arrivals(made[0], policies)
    assert {arrival.source.source for arrival in files} == set(policies.sources)
    assert len(files) == made[1].files


def test_raw_columns_are_the_declared_ones(made, policies):
    home = made[0]
    lines = {
        source: next(home.landing.glob(f"source={source}/*/*.jsonl")).read_text().splitlines()
        for source in ("clicks", "links")
    }
    for source, rows in lines.items():
        assert list(json.loads(rows[-1])) == sorted(
            json.loads(rows[-1]), key=list(policies.sources[source].columns).index
        )
        assert set(json.loads(rows[-1])) == set(policies.sources[source].columns)
    header = next(home.landing.glob("source=subscribers/*/*.csv")).read_text().splitlines()[0]
    assert header.split(",") == list(policies.sources["subscribers"].columns)
    schema = pq.read_schema(next(home.landing.glob("source=locations/*/*.parquet")))
    assert schema.names == list(policies.sources["locations"].columns)


def test_what_is_planted_is_told(made):
    figures = made[1]
    assert figures.rows["clicks"] > figures.rows["locations"] > figures.rows["weblogs"] > figures.rows["links"] > 0
    assert set(figures.broken) == {"cut", "no zone", "bad code", "latitude", "birth date in the future"}
    assert (
        min(figures.late, figures.crawlers, figures.refused, figures.optouts, figures.shared_cookies, figures.repeated)
        > 0
    )


def test_somebody_of_every_namespace_opts_out_later(made, policies):
    chosen = read_optouts(made[0].landing / "optouts-later.csv", namespaces=policies.namespaces)
    assert {namespace for namespace, _ in chosen} == set(policies.namespaces)
    assert len(chosen) == made[1].later_optouts
    logs = b"".join(
        gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
        for p in made[0].landing.rglob("source=*/*/*") if p.suffix != ".parquet"
    )  # fmt: skip
    written = {"client", "address", "attendee", "inquirer", "member"}
    assert [one for namespace, one in chosen if namespace in written and one.encode() not in logs] == []


def test_late_events_arrive_after_the_month(made):
    assert sorted(p.name for p in made[0].landing.glob("source=clicks/arrived=2026-11-*"))


def test_addresses_and_mails_are_nobodys(made):
    text = next(made[0].landing.glob("source=subscribers/*/*.csv")).read_text()
    mails = [field for line in text.splitlines()[1:] for field in line.split(",") if "@" in field]
    assert mails
    assert all(mail.rsplit("@", 1)[1] in ("example.com", "example.net", "example.org") for mail in mails)


def test_files_are_private(made):
    assert all(p.stat().st_mode & 0o077 == 0 for p in made[0].landing.rglob("*"))


def test_too_few_events_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1000"):
        generate(Home(tmp_path).create(), 10, 1)


def test_a_month_later_nearly_the_same_people_subscribe(made):
    before = subscribers_of(next(made[0].landing.glob("source=subscribers/*/*.csv")))
    places = make_places(np.random.default_rng(7))
    people = make_people(np.random.default_rng(7), places, 12_000, 9)
    after, again = (a_month_later(np.random.default_rng(1), before, people, places, 7, 2026) for _ in range(2))
    assert after == again
    older, newer = ({row.member_id: row for row in rows} for rows in (before, after))
    stayed = older.keys() & newer.keys()
    assert len(older) * 0.96 < len(stayed) < len(older)
    assert newer.keys() - older.keys()
    assert all(older[member].birth_date == newer[member].birth_date for member in stayed)

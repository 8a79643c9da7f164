"""Files that are taken in together leave what they leave one by one: events, quarantine, what is said of each."""

from __future__ import annotations

import gzip
import json
from datetime import date
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.homes import copied
from harness.intakes import Intake

from anonymization.deidentify import intake as taking
from anonymization.deidentify.arrivals import Arrival
from anonymization.deidentify.intake import take_all, take_in
from anonymization.deidentify.look import workspace_of
from anonymization.deidentify.taken import Taken
from anonymization.errors import EngineError, SourceError

OPTED_OUT = [("cookie", "opted"), ("member", "gone"), ("device", "gone")]
DAY, LATER = date(2026, 10, 3), date(2026, 10, 31)
AGENT = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
CLICK = {
    "time": "2026-10-03T12:34:56+09:00", "cookie_id": "c-1", "ip_address": "198.18.7.9", "user_agent": AGENT,
    "url": "https://news.example.jp/p", "referrer": "https://www.example.com/x", "service": "news",
}  # fmt: skip
SIGN_IN = {k: v for k, v in CLICK.items() if k not in ("url", "referrer")} | {"member_id": "m1"}
SEARCHES = "time\tcookie_id\tquery\tcategory\tresults\n"
ANOTHER_ORDER = "category\tresults\ttime\tquery\tcookie_id\tnobody@example.com\n"
SUBSCRIBERS = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service\n"
LOG = f'198.18.7.{{}} - - [03/Oct/2026:13:00:00 +0900] "GET /a HTTP/1.1" 200 12 "-" "{AGENT}"\n'


def clicks(*changes, of=CLICK):
    return "".join(json.dumps(of | change, ensure_ascii=False) + "\n" for change in changes).encode()


def search(query="東京", cookie="c1", category="web"):
    return f"2026-10-03T13:00:00+09:00\t{cookie}\t{query}\t{category}\t1\n"


def subscriber(member="m1", address="東京都千代田区1-1"):
    return f"2026-10-03,{member},n,k,1980-05-01,{address},0,a,mail\n"


def locations(*devices, **more):
    n = len(devices)
    columns = {
        "time": pa.array([1_791_000_000_000_000] * n, pa.timestamp("us", "UTC")),
        "device_id": pa.array(devices), "latitude": [35.6] * n, "longitude": [139.7] * n, **more,
    }  # fmt: skip
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


DOUBLED = clicks({})[:-2] + b', "service": "mail"}\n'
LOGS = {
    "clicks": {
        "plain.jsonl": clicks({}, {"cookie_id": "c-2"}, {"cookie_id": "C-2", "service": "mail"}),
        "undeclared.jsonl": clicks({"token": 1, "nobody@example.com": 2}),
        "doubled.jsonl": clicks({"cookie_id": "c-3"}) + DOUBLED,
        "crawler.jsonl": clicks({"user_agent": "curl/8.5.0", "cookie_id": None}, {"cookie_id": "opted"}, {"cookie_id": ""}),
        "opted-out.jsonl": clicks({"cookie_id": "opted"}),
        "empty.jsonl": b"",
        "a-stranger.jsonl": clicks({}, of={"name": "nobody"}),
        "no-objects.jsonl": b"garbage\n",
        "odd-ids.jsonl": clicks({"cookie_id": "ｃ－９９９９９９"}, {"cookie_id": "12345678"}, {"cookie_id": "x" * 300}),
        "twice.jsonl": clicks({}, {"cookie_id": "c-2"}, {"cookie_id": "C-2", "service": "mail"}),
        "packed.jsonl.gz": gzip.compress(clicks({"cookie_id": "c-4"}) + b"\xff\xfe\n\n" + clicks({"cookie_id": "c-5"})),
        "cut.jsonl.gz": gzip.compress(clicks({}) * 99)[:-9],
        "broken.jsonl": clicks({"time": None}, {"service": "none"}, {"url": "nonsense"}, {"cookie_id": "c-6"}) + b"[\n",
        "unreadable.jsonl": clicks({"cookie_id": "c-7"}) + b"\xff\n",
        "months.jsonl": clicks(*({"time": f"{day}T12:00:00+09:00"} for day in ("2026-08-31", "2026-10-02", "2018-01-31"))),
        "old.jsonl": clicks({"time": "2017-01-01T00:00:00Z"}),
        "ahead.jsonl": clicks(*({"time": f"2026-10-{day}T12:00:00+09:00"} for day in ("04", "05", "20"))),
        "ahead-later.jsonl": clicks(*({"time": f"2026-10-{day}T13:00:00+09:00"} for day in ("04", "05", "20"))),
    },
    "links": {
        "plain.jsonl": clicks({}, {"member_id": "M1"}, of=SIGN_IN),
        "opted-out.jsonl": clicks({"member_id": "gone"}, {"cookie_id": "opted"}, {"cookie_id": None}, of=SIGN_IN),
    },
    "searches": {
        "plain.tsv": (SEARCHES + search() + search("090-1234-5678") + search("山田 太郎", category="xyz")).encode(),
        "another-order.tsv": (ANOTHER_ORDER + "web\t1\t2026-10-03T13:00:00+09:00\t大阪\tc2\tx\n").encode(),
        "plain-again.tsv": (SEARCHES + search("a@example.com", "c3") + search("", "c4", "")).encode(),
        "header-alone.tsv": SEARCHES.encode(),
        "no-header.tsv": search().encode(),
        "too-wide.tsv": (SEARCHES + search()[:-1] + "\tmore\n").encode(),
    },
    "subscribers": {
        "plain.csv": (SUBSCRIBERS + subscriber() + subscriber("m2", "nowhere")).encode(),
        "quoted.csv": (SUBSCRIBERS + subscriber("m3", '"東京都, 千代田区"') + "\n" + SUBSCRIBERS).encode(),
        "plain-again.csv": (SUBSCRIBERS + subscriber("m4") + "x,y\n").encode(),
        "open.csv": (SUBSCRIBERS + '"' + subscriber("m5") * 2).encode(),
    },
    "locations": {
        "plain.parquet": locations("d1", "D1", "gone"),
        "numbers.parquet": locations(1, 2),
        "beside.parquet": locations("d2", _number=[3], nobody=["x"]),
        "origin.parquet": locations("d3", **{"noren:file": ["x"]}),
        "plain-again.parquet": locations("d4", None),
        "cut.parquet": locations("d5")[:-20],
        "no-rows.parquet": locations(*pa.array([], pa.string())),
    },
    "weblogs": {
        "plain.log": LOG.format(1).encode() + LOG.format(2).encode(),
        "one-bad.log": LOG.format(3).encode() + b"something else\n",
        "another.log": clicks({}),
    },
}  # fmt: skip
"""By source and name; what is called `later` arrives later."""


@pytest.fixture
def two(home, policies, engine, duckdb_engine, tmp_path):
    """Two homes of the same keys, in which nothing was taken in; one by one files are taken in by DuckDB alone."""
    one = Intake(home, policies, duckdb_engine, OPTED_OUT)
    for month in ("2018-02", "2026-08", "2026-09", "2026-10"):
        one.around.keys.pseudonym_pads(month)
    return one, Intake(copied(home, tmp_path / "other"), policies, engine, OPTED_OUT)


def arrivals(of, source):
    found = []
    for number, (name, content) in enumerate(LOGS[source].items()):
        path = of.home.landing / name
        path.write_bytes(content)
        found.append(Arrival(of.policies.sources[source], LATER if "later" in name else DAY, path, number))
    return found


def one_by_one(of, source):
    outcomes = []
    for arrival in arrivals(of, source):
        try:
            outcomes.append(take_in(arrival, of.around))
        except SourceError as error:
            outcomes.append(error)
    return outcomes


def together(of, source):
    taken = list(take_all(arrivals(of, source), of.around))
    assert [arrival.path.name for arrival, _ in taken] == list(LOGS[source])
    return [done for _, done in taken]


def said(home, outcomes):
    """What is said of each file, but for what depends on the run; a file's name is sealed by the home."""
    told = []
    for done in outcomes:
        if isinstance(done, Taken):
            same = {k: v for k, v in vars(done).items() if k not in ("seconds", "peak_memory", "parts", "named")}
            assert done.seconds >= 0
            told.append(same)
        else:
            told.append(str(done))
    return told


def left(home):
    """Everything that is in the zones of a home, by path; what engines wrote, as rows."""
    found = {}
    for zone in (home.events, home.quarantine):
        for path in sorted(zone.rglob("*")):
            place = str(path.relative_to(home.root))
            if path.suffix == ".parquet":
                place = place.rpartition("/")[0] + "/" + path.stem.partition("-")[0]
                rows = pq.read_table(path).to_pylist()
                found.setdefault(f"{place} rows", []).extend(rows)
                found[f"{place} columns"] = pq.read_schema(path).names
                assert path.stat().st_mode & 0o077 == 0
            elif path.suffix == ".json":
                content = json.loads(path.read_text(encoding="utf-8"))
                found[place] = {k: v for k, v in content.items() if k not in ("seconds", "peak_memory", "parts")}
            elif path.is_file():
                found[place] = path.read_bytes()
    return {place: sorted(map(str, v)) if place.endswith(" rows") else v for place, v in found.items()}


def check_equal(two, source):
    one, other = two
    alone, joined = one_by_one(one, source), together(other, source)
    assert said(other.home, joined) == said(one.home, alone)
    assert any(isinstance(done, Taken) and done.accepted for done in alone)
    assert left(other.home) == left(one.home)
    assert not list(workspace_of(other.home, source).iterdir())


@pytest.mark.once_on_spark
@pytest.mark.parametrize("source", LOGS)
def test_files_leave_together_what_they_leave_one_by_one(two, source):
    check_equal(two, source)


@pytest.mark.later_on_spark
@pytest.mark.parametrize(("files", "size"), [(2, 1 << 20), (3, 1 << 20), (100, 300), (100, 1)], ids=str)
def test_however_many_go_together(two, monkeypatch, files, size):
    monkeypatch.setattr(taking, "FILES", files)
    monkeypatch.setattr(taking, "TOGETHER", size)
    check_equal(two, "searches")


@pytest.mark.later_on_spark
@pytest.mark.parametrize("name", ["_number", "noren:file", "file_index", "filename"])
def test_a_column_of_whatever_name_is_one_that_nobody_declared(intake, name):
    files = landed(intake, "locations", [locations(f"d{n}", **{name: [7]}) for n in range(2)])
    outcomes = [done for _, done in take_all(files, intake.around)]
    assert [(done.accepted, done.undeclared) for done in outcomes] == [(1, 1)] * 2


GOOD = {
    "clicks": [clicks({"cookie_id": f"c-{n}"}) for n in range(5)],
    "searches": [LOGS["searches"][name] for name in ("plain.tsv", "another-order.tsv", "plain-again.tsv")],
    "subscribers": [LOGS["subscribers"][name] for name in ("plain.csv", "quoted.csv", "plain-again.csv")],
    "locations": [locations("d1"), locations(2), locations("d3"), locations("d4", nobody=[1])],
}  # fmt: skip
"""Of several layouts, where a format has them."""


def landed(of, source, contents):
    found = []
    for n, content in enumerate(contents):
        path = of.home.landing / f"{n}.log"
        path.write_bytes(content)
        found.append(Arrival(of.policies.sources[source], DAY, path))
    return found


@pytest.mark.once_on_spark
@pytest.mark.parametrize("source", GOOD)
def test_files_that_are_as_declared_go_in_one_pass(intake, monkeypatch, source):
    made = []
    create = intake.engine.create
    monkeypatch.setattr(intake.engine, "create", lambda name, sql: (made.append(name), create(name, sql)))
    outcomes = [done for _, done in take_all(landed(intake, source, GOOD[source]), intake.around)]
    assert all(done.accepted >= 1 for done in outcomes)
    assert made.count("parsed") == made.count("judged") == 1


@pytest.mark.later_on_spark
@pytest.mark.parametrize("place", range(5))
def test_an_engine_that_fails_with_one_file_fails_with_it_alone(intake, monkeypatch, place):
    write = intake.engine.write_each
    files = landed(intake, "clicks", GOOD["clicks"])
    bad = sha256(GOOD["clicks"][place]).hexdigest()

    def failing(sql, paths, schema):
        counts = write(sql, paths, schema)
        if any(path.stem == bad[:16] for path in paths.values()):
            raise EngineError("DuckDB could not make the relation 'x': InternalException")
        return counts

    monkeypatch.setattr(intake.engine, "write_each", failing)
    outcomes = [done for _, done in take_all(files, intake.around)]
    assert [n for n, done in enumerate(outcomes) if isinstance(done, SourceError)] == [place]
    assert str(outcomes[place]).startswith(f"{place}.log cannot be read: DuckDB could not make")
    left = sorted(path.suffix for path in intake.home.events.rglob("*") if path.is_file())
    assert left == [".json"] * 4 + [".parquet"] * 4


@pytest.mark.later_on_spark
def test_a_lost_engine_ends_the_run_and_leaves_no_copy(intake, monkeypatch):
    def lost(*_):
        raise EngineError("gone", lost=True)

    monkeypatch.setattr(intake.engine, "create", lost)
    with pytest.raises(EngineError, match="gone"):
        list(take_all(landed(intake, "clicks", map(gzip.compress, GOOD["clicks"])), intake.around))
    assert not list(workspace_of(intake.home, "clicks").iterdir())
    assert not list(intake.home.events.rglob("*.parquet"))


@pytest.mark.later_on_spark
def test_an_engine_that_reads_another_number_of_one_files_rows_is_not_believed(intake, monkeypatch):
    """Rows of one file that are lost, or counted for another file, are that file's failure, whatever the sum says."""
    create = intake.engine.create

    def lossy(name, sql):
        create(name, f"SELECT * FROM ({sql}) AS r WHERE NOT service = 'mail'" if name == "judged" else sql)

    monkeypatch.setattr(intake.engine, "create", lossy)
    contents = [clicks({"cookie_id": f"c-{n}"}, {"service": "mail" if n == 1 else "news"}) for n in range(3)]
    outcomes = [done for _, done in take_all(landed(intake, "clicks", contents), intake.around)]
    assert [isinstance(done, SourceError) for done in outcomes] == [False, True, False]
    assert f"1.log holds 2 records, of which {intake.engine.name} reads 1" in str(outcomes[1])


@pytest.mark.later_on_spark
def test_a_file_that_takes_anothers_place_within_a_run(intake, monkeypatch):
    """Two files of one name and day, as two folders of Spark may hold: the second is not taken in beside the first."""
    paths = []
    for folder in ("one", "two"):
        path = intake.home.landing / folder / "part-0.jsonl"
        path.parent.mkdir()
        path.write_bytes(clicks({"cookie_id": folder}))
        paths.append(path)
    source = intake.policies.sources["clicks"]
    (_, first), (_, second) = take_all([Arrival(source, DAY, path) for path in paths], intake.around)
    assert first.accepted == 1
    assert "was taken in before with other content (1 rows)" in str(second)

"""People's requests: recorded with their documents, verified, carried out in every zone, swept; whoever is unknown alike."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import stat
import sys
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from harness.forms import long_only
from harness.homes import copied

from anonymization.deidentify import edited, kept
from anonymization.deidentify.taken import known_files
from anonymization.errors import InputError, Refusal
from anonymization.home import Home
from anonymization.policy.model import RequestKind
from anonymization.policy.requests import RequestState, documents_of, today
from anonymization.release.choices import add_optouts, optouts
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.person_papers import Change, folder_of, papers_of
from anonymization.release.person_requests import (
    Handler,
    Submitted,
    add_request,
    answer_request,
    requests_of,
    sweep_requests,
    verify_request,
)
from anonymization.release.setting import Setting
from jobs.__main__ import main
from jobs.person_requests import carry_out
from jobs.taking import arrivals, run_intake
from jobs.verbs.init import initialize

HANDLER = Handler("support-centre")
ME, OTHER = "canary-me", "canary-other"
DAY = "2026-10-05"
AGENT = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"


def click(cookie, **changes):
    return {
        "time": f"{DAY}T12:00:00+09:00", "cookie_id": cookie, "ip_address": "198.18.7.9", "user_agent": AGENT,
        "url": "https://news.example.jp/p/1", "referrer": None, "service": "news",
    } | changes  # fmt: skip


def sign_in(cookie, member):
    return {
        "time": f"{DAY}T12:00:00+09:00",
        "cookie_id": cookie,
        "member_id": member,
        "service": "mail",
    } | dict.fromkeys(("ip_address", "user_agent"))


def json_lines(*records):
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records).encode()


def subscribers(*rows):
    head = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service\n"
    return (head + "".join(f"{row}\n" for row in rows)).encode()


def subscriber(member, born="1980-05-01"):
    return f"2026-10-31,{member},N-{member},K,{born},東京都千代田区1-1,090,a@example.com,mail"


def usage(*members):
    rows = {
        "time": pa.array([1_791_200_000_000_000] * len(members), pa.timestamp("us", "UTC")),
        "member_id": list(members), "service": ["mail"] * len(members), "status": ["active"] * len(members),
        "channel": ["web"] * len(members), "voice_seconds": [None] * len(members),
        "voice_data": [None] * len(members), "error_message": [None] * len(members),
    }  # fmt: skip
    sink = pa.BufferOutputStream()
    nulls = ("voice_seconds", "voice_data", "error_message")
    pq.write_table(pa.table({n: pa.array(v, pa.string()) if n in nulls else v for n, v in rows.items()}), sink)
    return sink.getvalue().to_pybytes()


LOGS = {
    "clicks/a.jsonl": json_lines(
        click(f"{ME}-cookie"), click(f"{OTHER}-cookie"), click(f"{ME}-shared"), click(f"{ME}-cookie", service="no such"),
        f'{{"cookie_id": "{ME}-cookie", "ti', f'{{"cookie_id": "{OTHER}-cookie", "ti',
    ),
    "clicks/b.jsonl.gz": gzip.compress(json_lines(click("\uff4danother"), click(ME + "-cookie")), mtime=0),
    "clicks/c.jsonl": json_lines(click(f"{ME}-cookie"), click(f"{ME}-cookie", service="mail")),
    "links/a.jsonl": json_lines(
        sign_in(f"{ME}-cookie", ME), sign_in(f"{ME}-shared", ME), sign_in(f"{ME}-shared", OTHER),
        sign_in(f"{OTHER}-cookie", OTHER),
    ),
    "subscribers/a.csv": subscribers(subscriber(ME), subscriber(OTHER), subscriber("third", "1990-01-01")),
    "service_usage/a.parquet": usage(ME, OTHER, OTHER),
    "searches/a.tsv": f"time\tcookie_id\tquery\tcategory\tresults\n{DAY}T12:00:00+09:00\t{OTHER}-cookie\tx\tweb\t1\n".encode(),
}  # fmt: skip


def deliver(home, logs):
    for name, content in logs.items():
        source, _, file = name.partition("/")
        folder = home.landing / f"source={source}" / f"arrived={'2026-10-31' if source == 'subscribers' else DAY}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)


def taken_in(home, policies, logs, keys=None):
    initialize(home)
    if keys is not None:
        shutil.copytree(keys.keys, home.keys, dirs_exist_ok=True)
    deliver(home, logs)
    run = run_intake(home, policies, arrivals(home, policies), optouts=[])
    assert run.failures == ()
    return home


@pytest.fixture(scope="module")
def made(tmp_path_factory, policies):
    return taken_in(Home(tmp_path_factory.mktemp("made") / "house"), policies, LOGS)


@pytest.fixture
def house(made, tmp_path, policies):
    home = copied(made, tmp_path / "house", landing=True)
    ledger = Ledger.of(home)
    yield Setting(home, policies, ledger)
    ledger.close()


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    path = folder / "canary-scan.pdf"
    path.write_bytes(b"%PDF canary-scan")
    return path


def submitted(setting, scans, kind, people=(("member", ME),), *, proxy=False, change=None, received=None):
    forms = documents_of(setting.policies.policy.requests[kind], proxy=proxy)
    documents = {name: (f"file 7, {name}", scans) for name in forms}
    return Submitted(kind, people, documents, received or today(setting.policies), proxy=proxy, change=change)


def verified(setting, scans, kind, **how):
    one = add_request(setting, submitted(setting, scans, kind, **how), HANDLER)
    fee = "receipt 3" if kind is RequestKind.DISCLOSURE else None
    return verify_request(setting, one.number, HANDLER, identity="passport seen", fee=fee).number


def entries(setting):
    with setting.ledger.transaction() as transaction:
        transaction.verify_chain()
        return transaction.entries(kind=EntryKind.PERSONS_REQUEST)


def holding(home, word, *folders):
    """The files of some folders that hold a word, in text, gzip, or a Parquet column."""
    found = set()
    for folder in folders:
        for path in (home.root / folder).rglob("*"):
            if path.is_file() and word in said(path):
                found.add(path.relative_to(home.root).as_posix())
    return found


def said(path):
    content = b"" if path.name.startswith("cut.") else path.read_bytes()
    if content.startswith(b"PAR1"):
        return str(pq.read_table(path).to_pylist())
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode("utf-8", errors="replace")


def events(home):
    return {
        taken.source: sorted(
            (str(row) for _, other in [(0, taken)] for path in paths for row in pq.read_table(path).to_pylist())
        )
        for paths, taken in known_files(home)
    }


def test_clause_4c_deletion(house, policies, scans, tmp_path):
    """Afterwards the home is as if its logs had never had the person: raw logs, events, rejected lines, accounts."""
    number = verified(house, scans, RequestKind.DELETION)
    done = carry_out(house, number).request
    assert (done.state, done.answered) == (RequestState.COMPLETED, today(policies))
    zones = ("landing", "events", "quarantine", "temporary", "metrics", "microdata")
    assert holding(house.home, ME, *zones) == set()
    without = {name: content for name, content in LOGS.items() if name != "clicks/c.jsonl"} | {
        "clicks/a.jsonl": json_lines(click(f"{OTHER}-cookie"), f'{{"cookie_id": "{OTHER}-cookie", "ti'),
        "clicks/b.jsonl.gz": gzip.compress(json_lines(click("\uff4danother")), mtime=0),
        "links/a.jsonl": json_lines(sign_in(f"{OTHER}-cookie", OTHER)),
        "subscribers/a.csv": subscribers(subscriber(OTHER), subscriber("third", "1990-01-01")),
        "service_usage/a.parquet": usage(OTHER, OTHER),
    }
    never = taken_in(Home(tmp_path / "never"), policies, without, keys=house.home)
    assert everything(house.home) == everything(never)
    assert set(optouts(house.home)) == {("member", ME), ("cookie", f"{ME}-cookie"), ("cookie", f"{ME}-shared")}


def everything(home):
    """What was taken in: the account of each file, its events, and its rejected lines."""
    found = {}
    for paths, taken in known_files(home):
        rows = sorted(str(row) for path in paths for row in pq.read_table(path).to_pylist())
        aside = home.quarantine / paths[0].parent.relative_to(home.events)
        lines = sorted(said(path) for path in aside.glob(f"{taken.digest[:16]}*"))
        account = (taken.read, taken.accepted, taken.quarantined, taken.dropped, taken.codes, taken.named == "")
        found.setdefault((taken.source, taken.arrived), []).append((taken.file, account, rows, lines))
    return {key: sorted(files, key=str) for key, files in found.items()}


STEPS = 15
"""More steps than a deletion of this house has."""


def fault_at(number):
    seen = []

    def step(name):
        seen.append(name)
        if len(seen) == number:
            raise KeyboardInterrupt(name)

    return step


@pytest.mark.both("faults")
@pytest.mark.parametrize("at", [at if at in (3, 5, 9, 11) else long_only("faults", at) for at in range(1, STEPS)])
def test_clause_4c_deletion_ended_at_any_step_is_taken_up(house, policies, scans, at):
    """Two runs that were ended at the same step, or one that was not: the end is the same."""
    number = verified(house, scans, RequestKind.DELETION)
    for _ in range(2):
        try:
            carry_out(house, number, step=fault_at(at))
        except KeyboardInterrupt:
            assert requests(house)[0].state is RequestState.VERIFIED
            if house.rewritten:  # it is too late to withdraw it
                with pytest.raises(Refusal, match="request 1 was begun, and rows are gone or changed: complete it"):
                    answer_request(house, number, HANDLER, RequestState.WITHDRAWN)
        else:
            break
    else:
        assert carry_out(house, number).request.state is RequestState.COMPLETED
    assert holding(house.home, ME, "landing", "events", "quarantine", "temporary") == set()
    assert {taken.source: taken.accepted for _, taken in known_files(house.home) if taken.source != "clicks"} == {
        "links": 1, "subscribers": 2, "service_usage": 2, "searches": 1,
    }  # fmt: skip
    assert sum(taken.accepted for _, taken in known_files(house.home, "clicks")) == 2
    again = run_intake(
        house.home, policies, arrivals(house.home, policies), optouts=optouts(house.home), rewritten=house.rewritten
    )
    assert (again.failures, {taken.again for taken in again.taken}) == ((), {True})
    told = [tuple(one) for entry in entries(house) for one in entry.payload.get("rewritten", ())]
    assert len(told) == len(set(told)) == 6


def requests(setting):
    with setting.ledger.transaction() as transaction:
        return requests_of(transaction, setting.policies)


def test_a_deletion_has_so_many_steps(house, scans):
    seen = []
    carry_out(house, verified(house, scans, RequestKind.DELETION), step=seen.append)
    assert len(seen) < STEPS
    assert {"leave out", "count", "announce", "rewrite", "take in", "forget", "rows for inside", "complete"} == set(
        seen
    )


def test_what_a_deletion_has_rewritten_is_known_and_as_it_was_before_it_is_refused(house, policies, scans):
    carry_out(house, verified(house, scans, RequestKind.DELETION))
    before = events(house.home)
    deliver(house.home, {"clicks/again.jsonl": LOGS["clicks/a.jsonl"], "clicks/a.jsonl": LOGS["clicks/a.jsonl"]})
    files = arrivals(house.home, policies)
    run = run_intake(house.home, policies, files, optouts=optouts(house.home), rewritten=house.rewritten)
    assert ["is delivered again as it was before a person's request" in why for _, why in run.failures] == [True, True]
    assert events(house.home) == before


def test_a_log_that_lies_there_twice_is_taken_in_once(tmp_path, policies, scans):
    home = taken_in(Home(tmp_path / "twice"), policies, {"clicks/b.jsonl": LOGS["clicks/a.jsonl"]})
    deliver(home, {"clicks/a.jsonl": LOGS["clicks/a.jsonl"]})  # known by its content
    ledger = Ledger.of(home)
    setting = Setting(home, policies, ledger)
    carry_out(setting, verified(setting, scans, RequestKind.DELETION, people=[("cookie", f"{ME}-cookie")]))
    assert [(taken.file, taken.accepted) for _, taken in known_files(home)] == [("b.jsonl", 2)]
    assert holding(home, f"{ME}-cookie", "landing", "quarantine") == set()
    assert run_intake(home, policies, arrivals(home, policies), optouts=[], rewritten=setting.rewritten).failures == ()
    assert [taken.accepted for _, taken in known_files(home)] == [2]
    ledger.close()


def test_a_log_of_which_a_field_stood_in_the_persons_rows_alone_is_taken_in(house, policies, scans):
    without = {name: value for name, value in click(f"{OTHER}-cookie").items() if name != "referrer"}
    deliver(house.home, {"clicks/data.jsonl": json_lines(click(f"{ME}-cookie"), without)})
    run_intake(house.home, policies, arrivals(house.home, policies), optouts=[])
    carry_out(house, verified(house, scans, RequestKind.DELETION))
    assert [taken.accepted for _, taken in known_files(house.home, "clicks") if taken.file == "data.jsonl"] == [1]


def test_of_a_cookie_that_is_shared_another_members_sign_in_is_not_disclosed(house, scans):
    people = [("member", ME), ("cookie", f"{ME}-shared")]
    folder = carry_out(house, verified(house, scans, RequestKind.DISCLOSURE, people=people)).disclosed
    found = json.loads((folder / "disclosure.json").read_text())
    assert [row["member_id"] for row in found["landing"]["links"]] == [ME, ME]
    assert len(found["events"]["links"]) == 2


def test_rows_whose_raw_logs_are_gone_are_deleted_all_the_same(house, scans):
    for path in (house.home.landing / "source=clicks").rglob("*.jsonl*"):
        path.unlink()
    carry_out(house, verified(house, scans, RequestKind.DELETION))
    left = [taken for _, taken in known_files(house.home, "clicks")]
    assert sum(taken.accepted for taken in left) == 2
    assert sorted(sum(taken.quarantined.values()) for taken in left) == [0, 0, 1]
    assert holding(house.home, ME, "quarantine") == set()
    assert holding(house.home, OTHER, "quarantine") != set()
    assert len(house.rewritten) == 6


ZONES = {"landing": {"clicks", "links", "subscribers", "service_usage"}, "quarantine": {"clicks"}, "events": {"clicks"}}


def test_clause_4a_disclosure(house, scans):
    """Exactly the person's: by her ids and by what is linked to her alone; of a shared cookie her own sign-in."""
    add_optouts(house.home, house.ledger, [("member", ME)], namespaces=house.policies.namespaces)
    number = verified(house, scans, RequestKind.DISCLOSURE)
    folder = carry_out(house, number, Handler("reader")).disclosed
    assert folder == folder_of(house.home, number) / "disclosure"
    files = [path for path in house.home.requests.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in house.home.requests.rglob("*") if path.is_dir()} == {0o700}
    found = json.loads((folder / "disclosure.json").read_text())
    assert found["ids"] == [{"namespace": "member", "id": ME}, {"namespace": "cookie", "id": f"{ME}-cookie"}]
    counted = {
        (zone, source): len(rows) for zone, by in found.items() if isinstance(by, dict) for source, rows in by.items()
    }
    assert counted == {
        ("landing", "clicks"): 6, ("landing", "links"): 2, ("landing", "subscribers"): 1, ("landing", "service_usage"): 1,
        ("quarantine", "clicks"): 2, ("events", "clicks"): 4, ("events", "links"): 2, ("events", "subscribers"): 1,
        ("events", "service_usage"): 1, ("choices", ""): 1, ("requests", ""): 1,
    }  # fmt: skip
    assert OTHER not in json.dumps(found)
    assert found["landing"]["subscribers"][0] == {
        "arrived": "2026-10-31", "as_of": "2026-10-31", "member_id": ME, "name": f"N-{ME}", "kana": "K",
        "birth_date": "1980-05-01", "postal_address": "東京都千代田区1-1", "phone": "090", "email": "a@example.com",
        "service": "mail",
    }  # fmt: skip
    assert found["events"]["subscribers"][0]["age_band"] == "40-49"
    assert not {"p", "linked_p"} & set(found["events"]["links"][0])
    for (zone, source), rows in counted.items():
        name = f"{zone}-{source}.csv" if source else f"{zone}.csv"
        assert len(list(csv.DictReader(io.StringIO((folder / name).read_text())))) == rows, name
    told = [entry.payload for entry in entries(house)]
    assert [one.get("disclosed") for one in told] == [None, None, True, None]
    assert told[2]["handler"] == "reader"
    assert ME not in json.dumps(told)


def test_clause_4b_correction_and_addition(house, policies, scans):
    deliver(house.home, {"subscribers/b.csv": subscribers(subscriber(ME, born=""), subscriber(ME, born="1955-05-05"))})
    run_intake(house.home, policies, arrivals(house.home, policies), optouts=[])
    with_change = {"change": Change("subscribers", "birth_date", "2001-02-03")}
    carry_out(house, verified(house, scans, RequestKind.ADDITION, **with_change))
    assert bands(house.home) == ["20-29", "30-39", "40-49", "40-49", "70-79"]
    carry_out(house, verified(house, scans, RequestKind.CORRECTION, **with_change))
    assert bands(house.home) == ["20-29", "20-29", "20-29", "30-39", "40-49"]
    raw = (house.home.landing / "source=subscribers" / "arrived=2026-10-31" / "a.csv").read_text()
    assert (
        raw == subscribers(subscriber(ME, "2001-02-03"), subscriber(OTHER), subscriber("third", "1990-01-01")).decode()
    )
    assert "2001-02-03" not in json.dumps([entry.payload for entry in entries(house)])
    carry_out(house, verified(house, scans, RequestKind.CORRECTION, change=Change("service_usage", "status", "failed")))
    rows = [row for paths, _ in known_files(house.home, "service_usage") for row in pq.read_table(paths[0]).to_pylist()]
    assert sorted(row["status"] for row in rows) == ["active", "active", "failed"]


def bands(home):
    tables = [pq.read_table(path) for paths, _ in known_files(home, "subscribers") for path in paths]
    return sorted(band for table in tables for band in table.column("age_band").to_pylist())


@pytest.mark.parametrize("kind", [RequestKind.DISCONTINUATION, RequestKind.CEASE_PROVISION])
def test_clause_4c_4d_discontinuation_of_use_and_cease_of_provision(house, scans, kind):
    before = events(house.home)
    number = verified(house, scans, kind)
    assert optouts(house.home) == []
    carry_out(house, number)
    assert optouts(house.home) == [("member", ME)]
    assert events(house.home) == before
    with house.ledger.transaction() as transaction:
        assert transaction.entries(kind=EntryKind.CHOICE)[-1].payload["last_sequence"] == 1


@pytest.fixture
def noren(house, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(house.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(house.policies.folder))
    return lambda *words: CliRunner().invoke(main, ["request", *words])


def documents(setting, scans, kind, *, proxy=False, leave=None):
    names = [one for one in documents_of(setting.policies.policy.requests[kind], proxy=proxy) if one != leave]
    return [word for name in names for word in ("--document", name, f"ref {name}", str(scans))]


ASKED_IN_SHORT = (RequestKind.DISCLOSURE, RequestKind.DELETION)


@pytest.mark.both("faults")
@pytest.mark.parametrize("kind", [one if one in ASKED_IN_SHORT else long_only("faults", one) for one in RequestKind])
def test_whoever_is_unknown_is_answered_with_the_same_words(house, scans, noren, kind):
    """The same path, words, entries and exit codes, whether a log ever held the id or not."""
    said = []
    change = ("--source", "subscribers", "--column", "email", "--value", "b@example.com")
    for number, member in enumerate((ME, "never-seen"), 1):
        more = change if kind in (RequestKind.CORRECTION, RequestKind.ADDITION) else ()
        words = (
            "add",
            "--kind",
            kind.value,
            "--id",
            "member",
            member,
            *documents(house, scans, kind),
            "--handler",
            "h",
            *more,
        )
        fee = ("--fee", "paid") if kind is RequestKind.DISCLOSURE else ()
        path = [
            noren(*words), noren("verify", str(number), "--identity", "seen", "--handler", "h", *fee),
            noren("complete", str(number)), noren("show", str(number)),
        ]  # fmt: skip
        assert [done.exit_code for done in path] == [0, 0, 0, 0], path[2].output
        said.append("".join(done.output for done in path).replace(f"request {number}", "request N"))
        assert member not in said[-1]
    assert said[0] == said[1].replace("requests/2/", "requests/1/")


class SearchedError(Exception):
    """The search is over: what follows is written for whoever was found."""


@pytest.fixture
def search_of(house, scans, monkeypatch):
    """Tells what is read to carry a request out, in order: raw logs, events and rejected lines, until something is written."""
    read = []

    def noted(module, name, by=None):
        plain = getattr(module, name)

        def noting(path, *rest, **more):
            if by in (None, sys._getframe(1).f_code.co_name):
                read.append(f"{name} {path.relative_to(house.home.root)}")
            return plain(path, *rest, **more)

        monkeypatch.setattr(module, name, noting)

    noted(edited, "chunks", by="_holds")  # a log that holds something of hers is taken apart afterwards
    noted(edited, "_parquet")
    noted(kept.pq, "read_table")

    def before_anything_is_written(step):
        if step in ("disclose", "count", "announce"):
            raise SearchedError

    def search_of(kind, people):
        number = verified(house, scans, kind, people=people)
        read.clear()
        with pytest.raises(SearchedError):
            carry_out(house, number, step=before_anything_is_written)
        return list(read)

    return search_of


@pytest.mark.parametrize("kind", [RequestKind.DISCLOSURE, RequestKind.DELETION])
@pytest.mark.parametrize(
    ("known", "unknown", "sources"),
    [
        pytest.param(("member", ME), ("member", "never-seen"), {"clicks", "links", "searches"}, id="a member, with cookies"),
        pytest.param(("cookie", f"{ME}-cookie"), ("cookie", "never-seen"), {"clicks", "links", "searches"}, id="a cookie"),
    ],
)  # fmt: skip
def test_clause_4_whoever_is_unknown_is_searched_for_in_the_same_files(search_of, kind, known, unknown, sources):
    """As often, in the same order: what a cookie of hers could be in is read whether a sign-in names one or not."""
    one, other = search_of(kind, (known,)), search_of(kind, (unknown,))
    assert one == other
    logs = {line.partition("source=")[2].partition("/")[0] for line in one if line.startswith("chunks landing/")}
    assert logs >= sources
    if kind is RequestKind.DISCLOSURE:
        assert any(line.startswith("read_table events/source=clicks") for line in one)


PAPERS = "a request for disclosure takes 1-1, annex 1, annex 2 (4a)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--kind", "disclosure"], f"{PAPERS}; missing: 1-1, annex 1, annex 2", id="without a document"),
        pytest.param(["--kind", "disclosure", "--proxy", "-d"], "by a proxy takes 1-1, 1-2, annex 1, annex 2 (4a); missing: 1-2", id="a proxy without the form"),
        pytest.param(["--kind", "disclosure", "-d", "--document", "1-2", "x", "SCAN"], f"{PAPERS}, not 1-2; 1-2 is a proxy's: --proxy", id="a proxy's form without one"),
        pytest.param(["--kind", "disclosure", "--kind", "deletion", "-d"], "--kind: a request has one kind", id="two kinds at once"),
        pytest.param(["--kind", "disclosure", "-d", "--received", "2999-01-01"], "--received 2999-01-01: a day to come", id="in the future"),
        pytest.param(["--kind", "disclosure", "-d", "--id", "visitor", "v1"], "no source has ids of this namespace", id="a namespace of no log"),
        pytest.param(["--kind", "disclosure", "-d", "--id", "member", "N/A"], "the id is empty, or what stands for none", id="an id that stands for none"),
        pytest.param(["--kind", "disclosure", "-d", "--document", "1-1", "x", "SCAN"], "--document: 1-1 stands twice", id="a document twice"),
        pytest.param(["--kind", "disclosure", "-d", "--value", "x"], "--source, --column and --value go together", id="half a change"),
        pytest.param(["--kind", "disclosure", "-d", *(change := ["--source", "subscribers", "--column", "email", "--value", "x"])], "are of a correction or an addition", id="a change of a disclosure"),
        pytest.param(["--kind", "correction", "--document", "2-1", "x", "SCAN"], "are of a correction or an addition", id="a correction of nothing"),
        pytest.param(["--kind", "correction", "--document", "2-1", "x", "SCAN", *change[:2], "--column", "member_id", "--value", "x"], "subscribers has no such column to change; there are: birth_date", id="a correction of the id"),
        pytest.param(["--kind", "correction", "--document", "2-1", "x", "SCAN", "--source", "clicks", *change[2:]], "no rows of member can be changed there; there are: links, service_usage, subscribers", id="a log without such ids"),
        pytest.param(["--kind", "correction", "--document", "2-1", "x", "SCAN", *change[:2], "--column", "service", "--value", "canary-x"], "--value: no code of codelists/service.csv", id="no code"),
        pytest.param(["--kind", "correction", "--document", "2-1", "x", "SCAN", *change[:2], "--column", "birth_date", "--value", "2999-01-01"], "--value: a day YYYY-MM-DD that is not to come", id="born in the future"),
        pytest.param(["--kind", "correction", "--document", "2-1", "x", "SCAN", *change[:4], "--value", "a\tb"], "--value: it is empty, or holds control characters", id="a tab"),
        pytest.param(["--kind", "deletion", "--document", "3-1", "x", "NONE"], "--document 3-1: its file cannot be read", id="no scan"),
        pytest.param(["--kind", "deletion", "--document", "3-1", "x", "EMPTY"], "--document 3-1: its file is empty", id="an empty scan"),
        pytest.param(["--kind", "deletion", "--document", "3-1", "x", "SCAN", "--handler", " "], "--handler is empty", id="nobody handles it"),
    ],
)  # fmt: skip
def test_a_request_that_is_not_as_it_should_be_is_not_recorded(house, scans, noren, tmp_path, words, said):
    (tmp_path / "empty").touch()
    files = {"SCAN": str(scans), "NONE": str(tmp_path / "none"), "EMPTY": str(tmp_path / "empty")}
    given = []
    for word in words:
        given += documents(house, scans, RequestKind.DISCLOSURE) if word == "-d" else [files.get(word, word)]
    done = noren("add", "--id", "member", ME, "--handler", "h", *given)
    assert done.exit_code == 2
    assert said in done.stderr, done.stderr
    assert ME not in done.output
    assert "canary" not in done.output
    assert entries(house) == []


def test_nobody_is_named(house, scans, noren):
    done = noren("add", "--kind", "deletion", "--document", "3-1", "x", str(scans), "--handler", "h")
    assert (done.exit_code, "no person is named; give --id NAMESPACE ID" in done.stderr) == (2, True)


def test_a_request_goes_on_as_it_may_and_no_other_way(house, scans):
    one = add_request(house, submitted(house, scans, RequestKind.DELETION), HANDLER).number
    with pytest.raises(InputError, match="the same request is open: request 1, received"):
        add_request(house, submitted(house, scans, RequestKind.DELETION, people=[("member", f" {ME}")]), HANDLER)
    with pytest.raises(Refusal, match="request 1 is received; completed may become what is verified"):
        carry_out(house, one)
    with pytest.raises(InputError, match="no fee is charged for deletion"):
        verify_request(house, one, HANDLER, identity="seen", fee="3")
    with pytest.raises(InputError, match="--identity refers to the check"):
        verify_request(house, one, HANDLER, identity=" ")
    with pytest.raises(InputError, match="a rejection says why"):
        answer_request(house, one, HANDLER, RequestState.REJECTED)
    assert answer_request(house, one, HANDLER, RequestState.WITHDRAWN).state is RequestState.WITHDRAWN
    for late in (RequestState.REJECTED, RequestState.COMPLETED):
        with pytest.raises(Refusal, match="request 1 is withdrawn"):
            answer_request(house, one, HANDLER, late, reason="late")
    with pytest.raises(Refusal, match="request 1 is withdrawn; completed may become what is verified"):
        carry_out(house, one)
    two = add_request(house, submitted(house, scans, RequestKind.DISCLOSURE, proxy=True), HANDLER).number
    with pytest.raises(InputError, match="a fee is charged for disclosure: --fee refers to its payment"):
        verify_request(house, two, HANDLER, identity="seen")
    answered = answer_request(house, two, HANDLER, RequestState.REJECTED, reason="canary-reason")
    assert (answered.by, answered.state, papers_of(house.home, two).reason) == (
        "proxy",
        RequestState.REJECTED,
        "canary-reason",
    )
    assert holding(house.home, ME, "landing")
    with pytest.raises(InputError, match="no request 9; there are 2"):
        carry_out(house, 9)
    text = json.dumps([entry.payload for entry in entries(house)])
    assert [word for word in (ME, "canary", "file 7", "%PDF", "member") if word in text] == []


@pytest.mark.parametrize(
    ("answered", "kept"),
    [
        pytest.param("2026-11-30", "2028-03-31", id="within a fiscal year"),
        pytest.param("2026-04-01", "2028-03-31", id="its first day"),
        pytest.param("2026-03-31", "2027-03-31", id="its last day"),
        pytest.param("2027-01-01", "2028-03-31", id="the new calendar year"),
    ],
)
def test_clause_4_papers_are_kept_for_a_year_from_the_fiscal_year_of_the_answer(policies, answered, kept):
    from anonymization.policy.requests import kept_until

    assert kept_until(policies.policy.retention, date.fromisoformat(answered)) == date.fromisoformat(kept)


def test_clause_4_papers_are_swept(house, scans, noren, monkeypatch, clock):
    one = verified(house, scans, RequestKind.DISCLOSURE)
    carry_out(house, one)
    two = add_request(house, submitted(house, scans, RequestKind.DELETION), HANDLER).number
    assert noren("sweep").output == "papers of requests removed: none\ndisclosures of requests removed: none\n"
    day = today(house.policies)
    on = {"day": day + timedelta(days=31)}
    monkeypatch.setattr("anonymization.release.person_requests.today", lambda _: on["day"])
    assert noren("sweep", "--rehearse").output.endswith("disclosures of requests would be removed: 1\n")
    assert (folder_of(house.home, one) / "disclosure").exists()
    assert sweep_requests(house, HANDLER).disclosures == (1,)
    assert not (folder_of(house.home, one) / "disclosure").exists()
    assert (folder_of(house.home, one) / "documents").exists()
    on["day"] = date(day.year + 3, 4, 1)
    assert sweep_requests(house, HANDLER, rehearsed=True).papers == (1,)
    assert "removed: 1" in noren("sweep").output
    assert sweep_requests(house, HANDLER).papers == ()
    assert not folder_of(house.home, one).exists()
    assert noren("show", "1").output.splitlines()[1] == "its papers were removed when their time was over"
    assert folder_of(house.home, two).exists()  # nobody has answered it
    assert ME not in (house.home.choices / "choices.db").read_bytes().decode("latin-1").replace(
        f'["member","{ME}"]', "", 1
    )


def test_the_queue_tells_what_is_due(house, scans, noren, monkeypatch):
    from jobs.verbs.status import stages

    day = today(house.policies)
    add_request(house, submitted(house, scans, RequestKind.DELETION, received=day - timedelta(days=15)), HANDLER)
    add_request(house, submitted(house, scans, RequestKind.DISCLOSURE), HANDLER)
    due = (
        f"request 1: deletion, received, by person, received {day - timedelta(days=15)}, due {day - timedelta(days=1)}"
    )
    first, second = noren("list").output.splitlines()
    assert first == f"{due}, handler support-centre, OVERDUE"
    assert second.startswith("request 2: disclosure, received, by person")
    assert "OVERDUE" not in second
    assert {first, second} <= set(stages())
    answer_request(house, 1, HANDLER, RequestState.WITHDRAWN)
    assert noren("list").output.splitlines() == [second]
    assert "request 1: deletion, withdrawn" in noren("list", "--all").output


def test_all_that_is_verified_is_carried_out_and_one_that_fails_stops_no_other(house, scans, noren):
    deliver(house.home, {"clicks/cut.jsonl.gz": gzip.compress(b"x" * 1000)[:20]})
    verified(house, scans, RequestKind.DELETION)
    verified(house, scans, RequestKind.CEASE_PROVISION)
    done = noren("complete")
    assert done.exit_code == 2
    assert "request 2: cease_provision, completed" in done.output
    assert (
        "request 1: a raw log cannot be read, and whose it is not known: cut.jsonl.gz is not a whole gzip file"
        in done.stderr
    )
    assert holding(house.home, ME, "landing") != set()
    next(house.home.landing.rglob("cut.jsonl.gz")).unlink()
    assert noren("complete").exit_code == 0
    assert [one.state for one in requests(house)] == [RequestState.COMPLETED] * 2


def test_that_nothing_waits_is_said(house, noren):
    result = noren("complete")
    assert (result.exit_code, result.output) == (0, "no request waits that was verified\n")

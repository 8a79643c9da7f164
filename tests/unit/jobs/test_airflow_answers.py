"""An answer in Airflow counts only as Airflow itself says it: every forgery is refused, and the ledger has the attempt."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from anonymization.errors import AlreadyOut, DecisionRefusal, GateRefusal, InputError
from anonymization.release.decision import FILE, Outcome
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.setting import enrol_in_demo
from anonymization.release.verify import verify
from jobs.airflow import PASSWORD_FILE, URL, USER, Place
from jobs.dossier import told as dossier
from jobs.verbs.answer import record_answer
from jobs.verbs.publish import publish

NAME, LOGIN = "kei", "kei@page"
PLACE = Place("release__service-usage", "scheduled__2026-11-03T06:00:00+09:00", "approve")
WORD = "a word of the service account"


class FakeAirflow(ThreadingHTTPServer):
    """Answers like Airflow's API for one run of one DAG."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.detail, self.run, self.status, self.raw = {}, {"triggering_user_name": None}, None, None
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = given == {"username": "noren-publisher", "password": WORD}
        self._say(201 if known else 401, {"access_token": "t"} if known else {"detail": "no"})

    def do_GET(self):
        run = f"/api/v2/dags/{PLACE.dag}/dagRuns/{PLACE.run}"
        answers = {f"{run}/taskInstances/{PLACE.task}/-1/hitlDetails": self.server.detail, run: self.server.run}
        found = answers.get(unquote(self.path))
        if self.headers["Authorization"] != "Bearer t":
            self._say(401, {})
        elif self.server.status is not None:
            self._say(self.server.status, {})
        else:
            self._say(404 if found is None else 200, found or {})

    def _say(self, status, content):
        body = self.server.raw if self.server.raw is not None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def airflow(tmp_path, monkeypatch):
    server = FakeAirflow()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    (tmp_path / "password").write_text(WORD + "\n")
    for name, value in ((URL, server.url), (USER, "noren-publisher"), (PASSWORD_FILE, str(tmp_path / "password"))):
        monkeypatch.setenv(name, value)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def told(candidate, setting, **changes):
    """What Airflow says of an approval of a candidate by the enrolled officer."""
    now = datetime.now(UTC)
    return {
        "subject": f"service-usage 2026-10: approve {candidate.id} digest {candidate.request.digest}",
        "body": dossier(setting, candidate.id),
        "created_at": (now - timedelta(hours=2)).isoformat(),
        "responded_at": (now - timedelta(hours=1)).isoformat(),
        "response_received": True,
        "responded_by_user": {"id": "7", "name": LOGIN},
        "chosen_options": ["Approve"],
        "params_input": {"comment": "Read it; fine."},
    } | changes


@pytest.fixture
def ready(setting, reached, airflow):
    """A home with an officer who answers in Airflow and a candidate whose gate is open; and Airflow, where it was approved."""
    enrol_in_demo(setting.home, NAME, airflow_user=LOGIN)
    candidate = reached("service-usage", "gated")
    airflow.detail = told(candidate, setting)
    return setting, candidate, airflow


def attempts(setting, candidate):
    with setting.ledger.transaction() as transaction:
        return [e.payload["refusal"] for e in transaction.entries(kind=EntryKind.REFUSED, subject=candidate.id)]


def out(setting):
    with setting.ledger.transaction() as transaction:
        return len(transaction.publications())


def test_approved_in_airflow_and_published(ready):
    setting, candidate, _ = ready
    decision = record_answer(setting, candidate.id, PLACE).decision
    assert (decision.outcome, decision.officer, decision.reason) == (Outcome.APPROVED, NAME, "Read it; fine.")
    assert decision.answered_in == f"airflow:{PLACE}"
    done, _ = publish(setting, candidate.id)
    envelope = verify(done.folder, setting.home).envelope
    assert envelope["decision"]["answered_in"] == f"airflow:{PLACE}"
    with pytest.raises(AlreadyOut):
        publish(setting, candidate.id)
    assert out(setting) == 1


def test_rejected_in_airflow_and_recorded(ready):
    setting, candidate, airflow = ready
    airflow.detail |= {"chosen_options": ["Reject"], "params_input": {"comment": "Too fine a grid."}}
    decision = record_answer(setting, candidate.id, PLACE).decision
    assert (decision.outcome, decision.reason) == (Outcome.REJECTED, "Too fine a grid.")
    with pytest.raises(DecisionRefusal, match=f"'{NAME}' rejected it: Too fine a grid"):
        publish(setting, candidate.id)
    assert out(setting) == 0
    assert attempts(setting, candidate) == ["DecisionRefusal"]


def test_the_same_answer_is_recorded_once(ready):
    setting, candidate, _ = ready
    first, again = (record_answer(setting, candidate.id, PLACE) for _ in range(2))
    assert first == again
    with setting.ledger.transaction() as transaction:
        assert len(transaction.entries(kind=EntryKind.DECISION, subject=candidate.id)) == 1


def moved(time, hours):
    return (datetime.fromisoformat(time) + timedelta(hours=hours)).isoformat()


def forged(honest, change):
    """What a forgery changes: a value, or what a function makes of the honest one."""
    return {field: new(honest[field]) if callable(new) else new for field, new in change.items()}


FORGED = [
    pytest.param({"response_received": False, "responded_by_user": None, "responded_at": None}, "nobody has answered", id="marked a success"),
    pytest.param({"responded_by_user": None}, "nobody has answered", id="taken by default after the deadline"),
    pytest.param({"responded_at": None}, "nobody has answered", id="no time"),
    pytest.param({"responded_at": "soon"}, "nobody has answered", id="no time that is one"),
    pytest.param({"responded_at": lambda at: at[:19]}, "nobody has answered", id="a time without its zone"),
    pytest.param({"responded_by_user": {"id": "3", "name": "operator"}}, "no enrolled officer", id="by an operator"),
    pytest.param({"responded_by_user": {"id": "7", "name": LOGIN.upper()}}, "no enrolled officer", id="by one with nearly the name"),
    pytest.param({"responded_by_user": {"id": "7", "name": NAME}}, "no enrolled officer", id="by the officer's name for his login"),
    pytest.param({"subject": lambda text: text[:-1]}, "another package", id="for an older digest"),
    pytest.param({"subject": lambda text: text.replace("approve ", "approve 9")}, "another package", id="for another candidate"),
    pytest.param({"subject": ""}, "another package", id="for none"),
    pytest.param({"body": lambda text: text.replace("persons", "nobody", 1)}, "another dossier", id="with another dossier"),
    pytest.param({"body": None}, "another dossier", id="without a dossier"),
    pytest.param({"chosen_options": ["Approve", "Reject"]}, "neither Approve nor Reject", id="both"),
    pytest.param({"chosen_options": ["approve"]}, "neither Approve nor Reject", id="another option"),
    pytest.param({"chosen_options": None}, "neither Approve nor Reject", id="no option"),
    pytest.param({"params_input": {}}, "without a comment", id="no comment"),
    pytest.param({"params_input": {"comment": "  "}}, "without a comment", id="an empty comment"),
    pytest.param({"params_input": {"comment": ["x"]}}, "without a comment", id="a comment that is no text"),
    pytest.param({"created_at": lambda at: moved(at, -80)}, "after its deadline of 72 hours", id="too late"),
    pytest.param({"responded_at": lambda at: moved(at, 2)}, "not given after", id="in the future"),
    pytest.param({"responded_at": lambda at: moved(at, -2)}, "not given after", id="before it was asked for"),
]  # fmt: skip


@pytest.mark.parametrize(("forge", "said"), FORGED)
def test_a_forged_answer_is_refused_at_once_and_at_publication(ready, forge, said):
    setting, candidate, airflow = ready
    honest = dict(airflow.detail)
    airflow.detail |= forged(honest, forge)
    with pytest.raises(DecisionRefusal, match=said):
        record_answer(setting, candidate.id, PLACE)
    with pytest.raises(DecisionRefusal, match="no officer has decided"):
        publish(setting, candidate.id)
    airflow.detail = honest
    record_answer(setting, candidate.id, PLACE)
    airflow.detail = honest | forged(honest, forge)
    with pytest.raises(DecisionRefusal):
        publish(setting, candidate.id)
    assert out(setting) == 0
    assert attempts(setting, candidate) == ["DecisionRefusal"] * 3


def test_who_started_the_run_does_not_approve_it(ready):
    setting, candidate, airflow = ready
    airflow.run = {"triggering_user_name": LOGIN}
    with pytest.raises(DecisionRefusal, match="started the run"):
        record_answer(setting, candidate.id, PLACE)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (replace(PLACE, dag="release__web-audience"), "is not where"),
        (replace(PLACE, dag="my_own_dag"), "is not where"),
        (replace(PLACE, task="build"), "is not where"),
        (replace(PLACE, run="manual__1"), "knows no request"),
    ],
)
def test_an_answer_given_elsewhere(ready, place, said):
    setting, candidate, _ = ready
    with pytest.raises(DecisionRefusal, match=said):
        record_answer(setting, candidate.id, place)
    assert attempts(setting, candidate) == ["DecisionRefusal"]


def test_an_answer_for_a_closed_gate(ready):
    setting, candidate, airflow = ready
    (candidate.evidence / "verdict.json").unlink()
    with pytest.raises(DecisionRefusal, match="another dossier"):
        record_answer(setting, candidate.id, PLACE)
    airflow.detail["body"] = dossier(setting, candidate.id)
    with pytest.raises(GateRefusal):
        record_answer(setting, candidate.id, PLACE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"answered_in": ""}, "does not say where", id="by hand, without a place"),
        pytest.param(
            {"answered_in": "airflow:release__service-usage/manual__1/approve"}, "knows no request", id="another run"
        ),
        pytest.param({"reason": "Published at will."}, "something else", id="another reason"),
        pytest.param({"nonce": "0" * 32}, "something else", id="another nonce"),
    ],
)
def test_a_decision_that_was_edited(ready, change, said):
    setting, candidate, _ = ready
    record_answer(setting, candidate.id, PLACE)
    path = candidate.evidence / FILE
    content = json.loads(path.read_text())
    content["decision"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(DecisionRefusal, match=said):
        publish(setting, candidate.id)
    assert out(setting) == 0
    assert attempts(setting, candidate) == ["DecisionRefusal"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(lambda _, m, __: m.delenv(URL), f"set {URL}", id="not named"),
        pytest.param(lambda _, m, __: m.setenv(URL, "http://127.0.0.1:9"), "does not answer", id="not reached"),
        pytest.param(lambda _, m, __: m.setenv(USER, "somebody"), r"does not let .* in .*401", id="unknown account"),
        pytest.param(lambda _, m, p: m.setenv(PASSWORD_FILE, str(p / "none")), "cannot be read", id="no password"),
        pytest.param(lambda a, *_: setattr(a, "status", 401), "status 401", id="401"),
        pytest.param(lambda a, *_: setattr(a, "status", 403), "status 403", id="403"),
        pytest.param(lambda a, *_: setattr(a, "status", 500), "status 500", id="500"),
        pytest.param(lambda a, *_: setattr(a, "status", 302), "status 302", id="sent elsewhere"),
        pytest.param(lambda a, *_: setattr(a, "raw", b"<html>"), "does not answer", id="no JSON"),
        pytest.param(lambda a, *_: setattr(a, "raw", b"[]"), "nothing can be read", id="another JSON"),
    ],
)
def test_airflow_cannot_be_asked(ready, monkeypatch, tmp_path, fault, said):
    setting, candidate, airflow = ready
    record_answer(setting, candidate.id, PLACE)
    fault(airflow, monkeypatch, tmp_path)
    for step in (lambda: record_answer(setting, candidate.id, PLACE), lambda: publish(setting, candidate.id)):
        with pytest.raises(InputError, match=said) as told:
            step()
        assert WORD not in str(told.value)
    assert out(setting) == 0


@pytest.mark.parametrize("text", ["", "dag", "dag/run", "dag//task", "a b/run/task", "dag/run/ta sk"])
def test_a_place_that_is_none(text):
    with pytest.raises(InputError, match="DAG/RUN/TASK"):
        Place.parsed(text)


def test_a_place_is_read_as_it_is_written():
    assert Place.parsed(str(PLACE)) == PLACE

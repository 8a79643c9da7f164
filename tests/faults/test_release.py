"""Approval and publication under faults and forgery: nothing gets out that was not gated and approved as it is."""

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import sqlite3
from dataclasses import replace

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymization.errors import (
    DecisionRefusal,
    GateRefusal,
    InputError,
    IntegrityError,
    NorenError,
    Refusal,
    StaleCandidate,
)
from anonymization.keys import public_text
from anonymization.release.candidate import load_candidate
from anonymization.release.choices import add_optouts, optouts
from anonymization.release.decision import Outcome
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.verify import verify
from anonymization.release.withdraw import withdraw
from jobs.dossier import review
from jobs.verbs.build import build
from jobs.verbs.gate import gate

OFFICER = "demo-officer"
gate_verb = importlib.import_module("jobs.verbs.gate")


@pytest.fixture
def gated(reached):
    return reached("monthly-audience", "gated")


@pytest.fixture
def approved(reached):
    return reached("monthly-audience", "approved")


def test_the_whole_path(setting, approved, publish_it):
    done = publish_it(setting, approved)
    assert done.publication.version == 1
    result = verify(done.folder, setting.home)
    assert len(result.checks) == 5
    assert not result.withdrawn
    assert result.envelope["mark"].startswith("DEMO")
    assert len(verify(done.folder, None).checks) == 4
    dossier = review(setting, approved.id)
    assert "**Protection.** Nothing about 1 to 9 persons is published, no total that two persons dominate" in dossier
    for words in ("Monthly audience by service, 2026-10", "2(1)(k)", "**Open**", "confidential", "media"):
        assert words.lower() in dossier.lower()


def test_the_same_content_is_published_once(setting, approved, approve, publish_it):
    publish_it(setting, approved)
    again = build(setting, "monthly-audience", "2026-10")
    assert again.request.digest == approved.request.digest
    assert again.id != approved.id
    assert gate(setting, again.id).opened
    approve(setting, again)
    with pytest.raises(Refusal, match="out already, as monthly-audience 2026-10 v1"):
        publish_it(setting, again)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"officer": "nobody"}, "unknown officer 'nobody'; enrolled: demo-officer", id="unknown officer"),
        pytest.param({"key": Ed25519PrivateKey.generate()}, "not the one that 'demo-officer' is enrolled with", id="another key"),
        pytest.param({"outcome": Outcome.REJECTED}, "says why", id="rejection without a reason"),
    ],
)  # fmt: skip
def test_decisions_are_refused(setting, gated, changes, message, approve):
    with pytest.raises(DecisionRefusal, match=message):
        approve(setting, gated, **changes)


def test_the_requester_cannot_approve(setting, gated, approve, officer_key):
    officers = {gated.request.requester: public_text(officer_key.public_key())}
    with pytest.raises(DecisionRefusal, match="requested the release"):
        approve(setting, gated, officer=gated.request.requester, officers=officers)


def test_nothing_is_published_without_a_decision(setting, gated, publish_it):
    with pytest.raises(DecisionRefusal, match="no officer has decided"):
        publish_it(setting, gated)
    with setting.ledger.transaction() as transaction:
        (attempt,) = transaction.entries(kind=EntryKind.REFUSED)
    assert (attempt.subject, attempt.payload) == (gated.id, {"refusal": "DecisionRefusal"})


def test_a_rejection_is_final_for_publication(setting, gated, approve, publish_it):
    approve(setting, gated, outcome=Outcome.REJECTED, reason="too fine")
    with pytest.raises(DecisionRefusal, match="rejected it: too fine"):
        publish_it(setting, gated)


def test_an_approval_needs_an_open_gate(setting, approve):
    candidate = build(setting, "monthly-audience", "2026-10")
    with pytest.raises(GateRefusal, match="no verdict"):
        approve(setting, candidate)


def edit_json(path, **changes):
    content = json.loads(path.read_text())
    target = content.get("decision", content)
    target.update(changes)
    path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")


def test_a_verdict_edited_by_hand_is_refused(setting, gated, approve):
    edit_json(gated.evidence / "verdict.json", open=True, reasons=["fine"])
    with pytest.raises(GateRefusal, match="not the verdict that the gate recorded"):
        approve(setting, gated)


def test_a_forged_verdict_is_refused(setting, approve, publish_it):
    candidate = build(setting, "monthly-audience", "2026-10")
    forged = {"open": True, "package_digest": candidate.request.digest, "suites": [], "checked_at": "now"}
    (candidate.evidence / "verdict.json").write_text(json.dumps(forged))
    with pytest.raises(GateRefusal, match="not the verdict that the gate recorded"):
        approve(setting, candidate)
    with pytest.raises(GateRefusal):
        publish_it(setting, candidate)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"officer": "nobody"}, "unknown officer", id="officer"),
        pytest.param({"expires_at": "2036-01-01T00:00:00+00:00"}, "signature is not", id="expiry"),
        pytest.param({"package_digest": "0" * 64}, "signature is not", id="digest"),
    ],
)
def test_a_decision_edited_by_hand_is_refused(setting, approved, changes, message, publish_it):
    edit_json(approved.evidence / "decision.json", **changes)
    with pytest.raises(DecisionRefusal, match=message):
        publish_it(setting, approved)


def test_an_expired_decision_is_refused(setting, gated, monkeypatch, approve, publish_it):
    from datetime import timedelta

    monkeypatch.setattr("anonymization.release.decision.VALID", timedelta(seconds=-1))
    approve(setting, gated)
    with pytest.raises(DecisionRefusal, match="expired"):
        publish_it(setting, gated)


def test_an_approval_of_another_candidate_is_refused(setting, approved, publish_it):
    other = build(setting, "population-by-place", "2026-10")
    gate(setting, other.id)
    shutil.copy(approved.evidence / "decision.json", other.evidence / "decision.json")
    with pytest.raises((DecisionRefusal, GateRefusal)):
        publish_it(setting, other)


def test_a_decision_is_used_once(setting, approved, publish_it):
    publish_it(setting, approved)
    with setting.ledger.transaction() as transaction:
        digest = transaction.entries(kind=EntryKind.DECISION)[-1].payload["decision_sha256"]
        assert transaction.decision_used(digest)


@pytest.mark.parametrize("file", ["package/tables/audience.csv", "package/MANIFEST.json", "evidence/request.json"])
def test_a_changed_candidate_is_refused(setting, approved, file, publish_it):
    path = approved.folder / file
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(IntegrityError):
        publish_it(setting, approved)


def test_a_choice_after_the_gate_makes_it_stale(setting, approved, publish_it):
    add_optouts(setting.home, setting.ledger, [("cookie", "canary-7f3a")], namespaces=setting.policies.namespaces)
    with pytest.raises(StaleCandidate, match="a person's choice"):
        publish_it(setting, approved)
    with setting.ledger.transaction() as transaction:
        assert "canary" not in str(transaction.entries())
    assert ("cookie", "canary-7f3a") in optouts(setting.home)


def test_a_choice_that_was_recorded_before_makes_nothing_stale(setting, approved, publish_it):
    add_optouts(setting.home, setting.ledger, optouts(setting.home)[:1], namespaces=setting.policies.namespaces)
    assert publish_it(setting, approved).publication.version == 1


def test_a_choice_before_the_gate_closes_it(setting, reached):
    built = reached("monthly-audience", "built")
    add_optouts(setting.home, setting.ledger, [("cookie", "canary-7f3a")], namespaces=setting.policies.namespaces)
    assert gate(setting, built.id).reasons == ("a person's choice came after the build; build again",)


def test_a_choice_while_the_gate_looks_makes_it_stale(setting, reached, approve, publish_it, monkeypatch):
    record = gate_verb.record_verdict

    def late(*words, **more):
        add_optouts(setting.home, setting.ledger, [("cookie", "canary-7f3a")], namespaces=setting.policies.namespaces)
        record(*words, **more)

    monkeypatch.setattr(gate_verb, "record_verdict", late)
    built = reached("monthly-audience", "built")
    assert gate(setting, built.id).opened
    approve(setting, built)
    with pytest.raises(StaleCandidate, match="a person's choice"):
        publish_it(setting, built)


def test_a_policy_change_makes_it_stale(setting, approved, publish_it):
    with pytest.raises(StaleCandidate, match="policy folder changed"):
        publish_it(setting, approved, policy_digest="0" * 64)


def test_logs_taken_in_after_the_build_close_the_gate(setting):
    candidate = build(setting, "monthly-audience", "2026-10")
    known = next(setting.home.events.glob("source=clicks/*/*.json"))
    content = json.loads(known.read_text()) | {"digest": "f" * 64}
    known.with_name("ffffffffffffffff.json").write_text(json.dumps(content))
    shutil.copy(known.with_suffix(".parquet"), known.with_name("ffffffffffffffff.parquet"))
    result = gate(setting, candidate.id)
    assert not result.opened
    assert "taken in since the build" in result.reasons[0]


STEPS = ["adopt", "copy", "check", "envelope", "signature", "sync", "rename", "ledger", "commit"]


@pytest.mark.parametrize("at", STEPS)
def test_a_crash_at_any_step_leaves_the_old_state_or_the_new(setting, approved, at, publish_it):
    def step(name):
        if name == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_it(setting, approved, step=step)
    with setting.ledger.transaction() as transaction:
        assert transaction.publications() == []
        transaction.verify_chain()
    left = setting.home.releases / "monthly-audience" / "2026-10" / "v1"
    before = {p: p.read_bytes() for p in left.rglob("*") if p.is_file()} if left.exists() else {}
    done = publish_it(setting, approved)
    verify(done.folder, setting.home)
    if before:
        assert {p: p.read_bytes() for p in left.rglob("*") if p.is_file()} == before
    with pytest.raises(Refusal, match="out already"):
        publish_it(setting, approved)


def test_of_two_publishers_one_wins(setting, approved, race_to_publish):
    outcomes = race_to_publish(setting, *[approved] * 4)
    assert outcomes.count(1) == 1
    assert sum("out already" in str(outcome) for outcome in outcomes) == 3


def test_a_locked_database_is_a_clear_error(setting, approved, monkeypatch, publish_it):
    monkeypatch.setattr("anonymization.release.ledger.ledger.PATIENCE", 0.1)
    with (
        contextlib.closing(sqlite3.connect(setting.home.root / "noren.db", isolation_level=None)) as holder,
        contextlib.closing(Ledger.of(setting.home)) as ledger,
    ):
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(NorenError, match="nothing was changed"):
            publish_it(replace(setting, ledger=ledger), approved)


def test_the_ledger_is_append_only_and_chained(setting, approved, publish_it):
    database = sqlite3.connect(setting.home.root / "noren.db")
    with pytest.raises(sqlite3.DatabaseError, match="append-only"):
        database.execute("UPDATE entries SET subject = 'x' WHERE seq = 2")
    database.execute("DROP TRIGGER entries_no_update")
    database.execute("UPDATE entries SET subject = 'x' WHERE seq = 2")
    database.commit()
    with pytest.raises(IntegrityError, match="entry 2"):
        publish_it(setting, approved)


def test_a_cut_tail_shows(setting, approved, publish_it):
    done = publish_it(setting, approved)
    database = sqlite3.connect(setting.home.root / "noren.db")
    database.execute("DROP TRIGGER entries_no_delete")
    database.execute("DELETE FROM entries WHERE seq > 3")
    database.commit()
    with pytest.raises(IntegrityError, match="tail was cut"):
        verify(done.folder, setting.home)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        pytest.param("package/tables/audience.csv", lambda b: b + b"x", "audience.csv is not what", id="table"),
        pytest.param("envelope/envelope.json", lambda b: b.replace(b'"version": 1', b'"version": 2'), "not what was signed", id="envelope"),
        pytest.param("envelope/SIGNATURE.json", lambda b: b.replace(b'"signature": "', b'"signature": "A'), "signature is not", id="signature"),
        pytest.param("envelope/envelope.json", lambda _: b"{}", "incomplete", id="empty envelope"),
    ],
)  # fmt: skip
def test_a_changed_release_is_noticed(setting, approved, file, change, message, publish_it):
    done = publish_it(setting, approved)
    path = done.folder / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(IntegrityError, match=message):
        verify(done.folder, setting.home)


def test_withdrawal(setting, approved, publish_it):
    done = publish_it(setting, approved)
    notice = withdraw(
        setting.home, setting.ledger, "monthly-audience", 1, "a source was wrong", contact="desk@x.example"
    )
    assert "a source was wrong" in notice.read_text()
    assert verify(done.folder, setting.home).withdrawn
    with pytest.raises(Refusal, match="withdrawn before"):
        withdraw(setting.home, setting.ledger, "monthly-audience", 1, "again", contact="x")
    with pytest.raises(Refusal, match="v7 is not published; there are: monthly-audience 2026-10 v1"):
        withdraw(setting.home, setting.ledger, "monthly-audience", 7, "x", contact="x")


@pytest.mark.parametrize("identity", ["9-0123456789abcdef", "../keys", "x"])
def test_an_unknown_candidate(setting, identity):
    with pytest.raises(InputError, match="no candidate"):
        load_candidate(setting.home, setting.ledger, identity)


def test_no_key_is_in_what_leaves(setting, approved, publish_it):
    done = publish_it(setting, approved)
    secrets = [
        p.read_bytes().strip().splitlines()[min(1, len(p.read_bytes().splitlines()) - 1)]
        for p in setting.home.keys.glob("*.key")
    ]
    held = b"".join(p.read_bytes() for p in [*done.folder.rglob("*"), *approved.folder.rglob("*")] if p.is_file())
    assert secrets
    assert not any(secret in held for secret in secrets)


def test_demo_officers_count_in_a_demo_home_only(setting):
    assert setting.demo
    (setting.home.root / "demo-officers.json").unlink()
    assert not setting.demo
    assert setting.officers == {}
    assert yaml.safe_load("{}") == {}

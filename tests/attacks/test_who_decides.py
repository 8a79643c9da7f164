"""Who decides: a recipient checks the officer's signature, the ledger who was enrolled; nobody changes the rules alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from harness.houses import MEMBERS, OFFICER, PERIOD, RELEASE, House, deliver, officers

from anonymization.errors import DecisionRefusal, IntegrityError, PolicyRefusal, StaleCandidate
from anonymization.files import canonical
from anonymization.keys import generate_officer_key, load_private_key, public_text, publisher_key, sign
from anonymization.release.decision import Outcome, decide
from anonymization.release.envelope import read_envelope, seal, write_envelope
from anonymization.release.ledger.ledger import EntryKind, Ledger
from anonymization.release.pinned import Folder, accept, known_policies
from anonymization.release.publish import publish as publish_candidate
from anonymization.release.setting import enrol_in_demo
from anonymization.release.verify import verify
from jobs.__main__ import main
from jobs.verbs.build import build
from jobs.verbs.erase import erase
from jobs.verbs.intake import arrivals, run_intake
from jobs.verbs.publish import publish
from jobs.verbs.status import stages

WORDS = "Yamada Taro (090-1234-5678) complained; the cell 80-89 had 3 persons"
EVIL = Ed25519PrivateKey.generate()


@pytest.fixture
def published(house, released):
    """The house's first release, which an officer approved with words."""
    return released(house, reason=WORDS)


# What leaves, and what a recipient checks.


def test_an_officers_words_stay_inside_and_are_committed_to(house, published):
    held = {path: path.read_bytes() for path in published.rglob("*") if path.is_file()}
    told = read_envelope(published).says
    inside = json.loads((house.home.candidates / told["candidate"] / "evidence" / "decision.json").read_text())[
        "decision"
    ]
    assert inside["reason"] == WORDS
    for secret in (WORDS, "Yamada", inside["salt"]):
        assert [path for path, content in held.items() if secret.encode() in content] == []
    words = hashlib.sha256(canonical([inside["salt"], WORDS]).encode()).hexdigest()
    assert told["decision"]["reason_sha256"] == words
    assert told["decision"]["public_key"] == public_text(load_private_key(house.key).public_key())
    with house.ledger.transaction() as transaction:
        assert "Yamada" not in str(transaction.entries())


def test_a_recipient_checks_the_decision_from_the_package_alone(house, published):
    assert (
        "decision: approved by privacy-officer; the signature holds for the key in the envelope"
        in verify(published, None).checks
    )
    assert (
        "decision: approved by privacy-officer; the signature holds for the key that was enrolled"
        in verify(published, house.home).checks
    )


def signed_by(decision, key):
    signed = {name: value for name, value in decision.items() if name not in ("signature", "public_key")}
    return signed | {"public_key": public_text(key.public_key()), "signature": sign(key, canonical(signed).encode())}


def another_signature(says, own):
    says["decision"]["signature"] = sign(EVIL, b"something else")


def another_name(says, own):
    says["decision"]["officer"] = "somebody-else"


def another_package(says, own):
    says["decision"] = signed_by(says["decision"] | {"package_digest": "0" * 64}, own)


def a_rejection(says, own):
    says["decision"] = signed_by(says["decision"] | {"outcome": "rejected"}, own)


def an_expired_one(says, own):
    late = (datetime.fromisoformat(says["published_at"]) + timedelta(hours=80)).isoformat()
    says["published_at"] = late


def no_key(says, own):
    del says["decision"]["public_key"]


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (another_signature, "signature of the decision is not 'privacy-officer''s"),
        (another_name, "signature of the decision is not 'somebody-else''s"),
        (another_package, "about another package"),
        (a_rejection, "no approval"),
        (an_expired_one, "did not hold when"),
        (no_key, "names no key of the officer"),
    ],
)
def test_a_decision_that_does_not_hold_is_noticed_though_the_publisher_sealed_it(house, published, forge, message):
    sealed_again(house, published, lambda says: forge(says, load_private_key(house.key)))
    with pytest.raises(IntegrityError, match=message):
        verify(published, None)


def sealed_again(house, folder, forge):
    """What whoever holds the publisher's key can make of an envelope; returns the envelope's digest."""
    says = dict(read_envelope(folder).says)
    forge(says)
    digest = write_envelope(folder, says)
    seal(folder, says["digest"], digest, publisher_key(house.home))
    return digest


def test_a_decision_by_anyones_key_is_not_the_enrolled_officers(house, published):
    """Whoever can write to the ledger as well: the policy's chain still says who was enrolled."""

    def forge(says):
        says["decision"] = signed_by(says["decision"], EVIL)

    digest = sealed_again(house, published, forge)
    verify(published, None)  # to a recipient, the envelope's key is a key
    says = read_envelope(published).says
    with house.ledger.transaction() as transaction:
        known = transaction.entries(kind=EntryKind.PUBLICATION)[-1]
        transaction.append(EntryKind.PUBLICATION, known.subject, {**known.payload, "envelope_sha256": digest})
        told = {name: value for name, value in says["decision"].items() if name not in ("signature", "public_key")}
        own = {
            "decision_sha256": hashlib.sha256(canonical(told).encode()).hexdigest(),
            "public_key": says["decision"]["public_key"],
        }
        transaction.append(EntryKind.DECISION, known.subject, own | {"outcome": "approved", "officer": OFFICER})
    with pytest.raises(IntegrityError, match="another key than 'privacy-officer' was enrolled with"):
        verify(published, house.home)


# Who changes the rules.


def policy_entries(house):
    with house.ledger.transaction() as transaction:
        return [entry.payload["how"] for entry in transaction.entries(kind=EntryKind.POLICY)]


def a_new_officer(folder, tmp_path, *, beside=None):
    """Write a new officer's key into a policy folder's list; return the key."""
    public = generate_officer_key(tmp_path / "new.key")
    (folder / "officers.yaml").write_text(officers(**{OFFICER: public}, **(beside or {})))
    return load_private_key(tmp_path / "new.key")


def lower_the_house_rule(folder):
    path = folder / "policy.yaml"
    text = path.read_text()
    assert "    default: 10\n" in text
    path.write_text(text.replace("    default: 10\n", "    default: 3\n"))
    path = folder / "releases" / f"{RELEASE}.yaml"
    path.write_text(path.read_text().replace("minimum_count: 10", "minimum_count: 3"))


def test_another_folder_with_an_officer_of_ones_own_builds_nothing(house, tmp_path):
    mine = shutil.copytree(house.policies, tmp_path / "mine")
    a_new_officer(mine, tmp_path)
    lower_the_house_rule(mine)
    with pytest.raises(
        PolicyRefusal,
        match=r"officers\.yaml, policy\.yaml changed, which needs the signature of an officer who is enrolled already \(privacy-officer\)",
    ):
        build(house.under(mine), RELEASE, PERIOD)
    assert policy_entries(house) == ["initialized"]


def test_a_folder_is_known_by_its_content_wherever_it_lies(house, tmp_path):
    build(house.under(shutil.copytree(house.policies, tmp_path / "elsewhere")), RELEASE, PERIOD)
    assert policy_entries(house) == ["initialized"]


def append(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + text)


SUITE = '{"expectations": [{"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 0}, "meta": {"notes": "x"}}]}'


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("policy.yaml", "# changed\n"),
        ("officers.yaml", "# changed\n"),
        ("recipients.yaml", "# changed\n"),
        ("expectations/candidate_cells.json", SUITE),
    ],
)
def test_what_needs_a_signature_is_refused_until_an_officer_signs(house, file, text):
    append(house.policies / file, text)
    with pytest.raises(PolicyRefusal, match=f"{file} changed"):
        build(house.setting, RELEASE, PERIOD)
    with pytest.raises(PolicyRefusal, match=f"{file} changed"):
        erase(house.setting, datetime.now(UTC).date())
    accepted(house, officer=OFFICER, key=load_private_key(house.key))
    build(house.setting, RELEASE, PERIOD)
    assert policy_entries(house) == ["initialized", "signed"]


@pytest.mark.parametrize(
    "file", [f"releases/{RELEASE}.yaml", "sources/service_usage.yaml", "hierarchies/region.csv", "releases/new.txt"]
)
def test_other_edits_are_recorded_by_the_build(house, file):
    if file.endswith(".csv"):
        lines = (house.policies / file).read_text().splitlines(keepends=True)
        (house.policies / file).write_text("".join([*lines[:1], *lines[:0:-1]]))
    else:
        append(house.policies / file, "# changed\n")
    candidate = build(house.setting, RELEASE, PERIOD)
    assert policy_entries(house) == ["initialized", "recorded"]
    with house.ledger.transaction() as transaction:
        assert known_policies(house.home, transaction).folder.digest == candidate.request.policy_digest


def accepted(house, folder=None, **how):
    with house.ledger.transaction() as transaction:
        return accept(house.home, transaction, Folder.of(folder or house.policies), at=datetime.now(UTC), **how)


def test_officers_change_hands_by_signatures(house, tmp_path):
    old, new = load_private_key(house.key), a_new_officer(house.policies, tmp_path)
    with pytest.raises(DecisionRefusal, match="not the one that 'privacy-officer' is enrolled with"):
        accepted(house, officer=OFFICER, key=new)
    with pytest.raises(DecisionRefusal, match="does not know an officer 'somebody'; enrolled: privacy-officer"):
        accepted(house, officer="somebody", key=new)
    with pytest.raises(PolicyRefusal, match=r"has to sign \(--officer\): privacy-officer"):
        accepted(house)
    accepted(house, officer=OFFICER, key=old)
    append(house.policies / "policy.yaml", "# changed\n")
    with pytest.raises(DecisionRefusal, match="not the one"):
        accepted(house, officer=OFFICER, key=old)
    accepted(house, officer=OFFICER, key=new)
    assert policy_entries(house) == ["initialized", "signed", "signed"]


def test_the_first_officer_is_let_in_by_the_master_key(home, policy_folder, tmp_path):
    ledger = Ledger.of(home)
    own = House(home, policy_folder, tmp_path / "new.key", ledger)
    a_new_officer(policy_folder, tmp_path)
    with pytest.raises(PolicyRefusal, match="nobody is yet"):
        own.setting.require_known_policies()
    assert accepted(own).overruled == ()
    own.setting.require_known_policies()
    ledger.close()


def test_when_every_officers_key_is_lost_each_later_envelope_tells(house, published, tmp_path):
    a_new_officer(house.policies, tmp_path)
    when = accepted(house, overrule=True).overruled
    assert len(when) == 1
    deliver(house.home, [f"new-{m}" for m in MEMBERS], name="second")
    run_intake(house.home, house.setting.policies, arrivals(house.home, house.setting.policies), optouts=())
    later = replace(house, key=tmp_path / "new.key").published()
    assert read_envelope(later).says["policy"]["without_an_officer"] == list(when)
    assert any("NOTE" in check and when[0] in check for check in verify(later, None).checks)
    assert not any("NOTE" in check for check in verify(published, house.home).checks), (
        "what was published before is not concerned"
    )


@pytest.mark.parametrize("how", ["recorded", "signed", "master key", "demo", "initialized"])
def test_a_folder_that_the_ledger_was_made_to_know_is_noticed(house, tmp_path, how):
    a_new_officer(house.policies, tmp_path)
    forged = {"how": how, "officer": OFFICER, "at": "now", "signature": "AA==", "seal": "00"}
    with house.ledger.transaction() as transaction:
        transaction.append(EntryKind.POLICY, "policies", Folder.of(house.policies).payload() | forged)
    with pytest.raises(IntegrityError, match="has none that holds"):
        build(house.setting, RELEASE, PERIOD)


def test_no_file_makes_a_demos_home_of_another(house, tmp_path):
    enrol_in_demo(house.home, "evil", public_key=public_text(EVIL.public_key()))
    assert not house.setting.demo
    assert list(house.setting.officers) == [OFFICER]


def test_who_edits_another_release_makes_no_candidate_stale(house):
    candidate = house.approved()
    append(house.policies / "releases" / "web-audience.yaml", "# a comment\n")
    assert publish(house.setting, candidate.id)[0].publication.version == 1


def test_who_edits_this_release_makes_its_candidate_stale(house):
    candidate = house.approved()
    append(house.policies / "releases" / f"{RELEASE}.yaml", "# a comment\n")
    with pytest.raises(StaleCandidate, match="policy folder changed"):
        publish(house.setting, candidate.id)


def test_status_tells_that_the_folder_is_another(house, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(house.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(house.policies))
    told = "the policy folder is not the one that the ledger knows: see `noren policy show`"
    assert told not in list(stages())
    append(house.policies / "policy.yaml", "# changed\n")
    assert told in list(stages())


def test_an_officer_who_was_replaced_decides_nothing_by_a_copy_of_the_old_folder(house, tmp_path):
    old = shutil.copytree(house.policies, tmp_path / "old")
    candidate = house.approved()
    a_new_officer(house.policies, tmp_path)
    accepted(house, officer=OFFICER, key=load_private_key(house.key))
    with pytest.raises(StaleCandidate, match="that the ledger knows changed since the build"):
        publish(house.under(old), candidate.id)
    with pytest.raises(PolicyRefusal, match=r"officers\.yaml changed"):
        build(house.under(old), RELEASE, PERIOD)


def test_a_key_that_a_folder_was_made_to_name_decides_nothing(house):
    """Whoever hands `publish` other officers than the ledger knows."""
    candidate = house.approved()
    setting = house.setting
    decide(
        house.ledger,
        candidate,
        outcome=Outcome.APPROVED,
        officer=OFFICER,
        officers={OFFICER: public_text(EVIL.public_key())},
        key=EVIL,
    )
    with pytest.raises(DecisionRefusal, match="does not know 'privacy-officer' as an officer with this key"):
        publish_candidate(
            house.home, house.ledger, candidate.id, officers={OFFICER: public_text(EVIL.public_key())},
            policy_digest=setting.policies.digest, stocks=setting.policies.stocks, demo=False,
        )  # fmt: skip


def test_the_verbs(house, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(house.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(house.policies))
    monkeypatch.setenv("NOREN_OFFICER_KEY", str(house.key))

    def noren(*words):
        return CliRunner().invoke(main, list(words))

    assert (
        noren("policy", "accept").output
        == "the ledger knows this folder by entry 2; officers who may approve: privacy-officer\n"
    )
    append(house.policies / "policy.yaml", "# changed\n")
    append(house.policies / "links.yaml", "# changed\n")
    shown = noren("policy", "show").output
    assert "changed: policy.yaml (needs an officer's signature: noren policy accept)" in shown
    assert "changed: links.yaml (recorded by the next build)" in shown
    assert "has to sign (--officer): privacy-officer" in noren("policy", "accept").stderr
    assert noren("policy", "accept", "--officer", OFFICER).exit_code == 0
    shown = noren("policy", "show").output
    assert "signed by privacy-officer" in shown
    assert "changed" not in shown
    assert "nothing to set back" in noren("clock", "--officer", OFFICER).stderr
    append(house.policies / "policy.yaml", "# again\n")
    result = noren("policy", "accept", "--without-an-officer")
    assert "every later envelope tells that this home's policy was changed without an officer" in result.output
    assert "WITHOUT AN OFFICER: changed with the master key at " in noren("policy", "show").output

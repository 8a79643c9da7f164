"""What lies in `releases/`: adopted only as it was signed, never replaced, and one damaged version stops no other."""

from __future__ import annotations

import shutil

import pytest
from harness.houses import OFFICER, PERIOD, RELEASE

from anonymization.errors import InputError, IntegrityError
from anonymization.keys import load_private_key
from anonymization.release.decision import Outcome, decide
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.publish import publish
from anonymization.release.setting import opened
from anonymization.release.verify import verify
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def first_version(house):
    return house.home.releases / RELEASE / PERIOD / "v1"


@pytest.fixture
def approved(house):
    return house.approved()


def publish_it(house, candidate, step=lambda _: None):
    setting = house.setting
    given = {"officers": setting.officers, "policy_digest": setting.policies.digest, "stocks": setting.policies.stocks}
    return publish(house.home, house.ledger, candidate.id, demo=False, step=step, **given)


def decided(house, candidate):
    """Let the officer decide once more."""
    officers, key = house.setting.officers, load_private_key(house.key)
    decide(
        house.ledger, candidate, outcome=Outcome.APPROVED, officer=OFFICER, officers=officers, key=key, reason="again"
    )


@pytest.fixture
def crashed(house, approved):
    """A publication that was killed between rename and commit; the folder that it left."""

    def step(name):
        if name == "ledger":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_it(house, approved, step=step)
    return first_version(house)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def a_figure(folder):
    flip(folder / "package" / "tables" / "usage.csv")


def a_manifest(folder):
    flip(folder / "package" / "MANIFEST.json")


def an_envelope(folder):
    flip(folder / "envelope" / "envelope.json")


def a_signature(folder):
    flip(folder / "envelope" / "SIGNATURE.json")


def a_file_more(folder):
    (folder / "package" / "more.csv").write_text("x")


def the_envelope_lost(folder):
    (folder / "envelope" / "envelope.json").unlink()


@pytest.mark.parametrize("damage", [a_figure, a_manifest, an_envelope, a_signature, a_file_more, the_envelope_lost])
def test_what_a_crash_left_is_adopted_only_as_it_was_signed(house, approved, crashed, damage):
    damage(crashed)
    before = contents(crashed)
    with pytest.raises(IntegrityError, match="v1 lies there, the ledger does not know it, and it is not replaced"):
        publish_it(house, approved)
    assert contents(crashed) == before
    with house.ledger.transaction() as transaction:
        assert transaction.publications() == []


def test_what_a_crash_left_is_adopted_though_the_ledger_went_on(house, approved, crashed):
    before = contents(crashed)
    with house.ledger.transaction() as transaction:
        transaction.append(EntryKind.REFUSED, "1-0123456789abcdef", {"refusal": "DecisionRefusal"})
    done = publish_it(house, approved)
    assert contents(done.folder) == before
    verify(done.folder, house.home)


def test_what_a_crash_left_is_not_replaced_by_another_decision(house, approved, crashed):
    before = contents(crashed)
    decided(house, approved)
    with pytest.raises(IntegrityError, match="its envelope has another decision"):
        publish_it(house, approved)
    assert contents(crashed) == before


def test_while_the_ledger_does_not_know_what_is_out_nothing_is_built_or_published(house, approved, crashed):
    with pytest.raises(
        IntegrityError, match=r"does not know releases/service-usage/2026-10/v1, and so not what is out"
    ):
        build(house.setting, RELEASE, PERIOD)
    result = gate(house.setting, approved.id)
    assert not result.opened
    assert "does not know releases/service-usage/2026-10/v1" in result.reasons[0]


def test_a_candidate_that_is_exchanged_while_it_is_published_is_not_signed(house, approved):
    table = approved.package / "tables" / "usage.csv"
    whole = table.read_bytes()

    def step(name):
        if name == "copy":
            flip(table)

    with pytest.raises(IntegrityError, match=r"not what was approved: tables/usage\.csv is not what the manifest says"):
        publish_it(house, approved, step=step)
    assert not first_version(house).exists()
    table.write_bytes(whole)
    verify(publish_it(house, approved).folder, house.home)


def test_with_an_older_ledger_what_was_delivered_is_not_replaced(house, approved, tmp_path):
    shutil.copy(house.home.root / "noren.db", tmp_path / "backup.db")
    delivered = publish_it(house, approved).folder
    before = contents(delivered)
    shutil.copy(tmp_path / "backup.db", house.home.root / "noren.db")
    decided(house, approved)
    with pytest.raises(IntegrityError, match="it is not replaced"):
        publish_it(house, approved)
    assert contents(delivered) == before


def test_a_lost_ledger_is_not_made_new_beside_what_is_out(house, approved):
    publish_it(house, approved)
    house.ledger.close()
    (house.home.root / "noren.db").unlink()
    with pytest.raises(InputError, match=r"no ledger at .*noren\.db: put it back"), opened(house.home):
        pass
    for _ in range(2):
        with pytest.raises(IntegrityError, match=r"releases/ holds 1 version\(s\), and the ledger is new"):
            initialize(house.home)


def test_a_damaged_version_stops_no_build_over_its_source(house, approved):
    done = publish_it(house, approved)
    undamaged = build(house.setting, RELEASE, PERIOD).request
    a_figure(done.folder)
    damaged = build(house.setting, RELEASE, PERIOD).request
    assert damaged.digest == undamaged.digest
    a_figure(approved.folder)
    with pytest.raises(IntegrityError, match=r"service-usage 2026-10 v1 is damaged .*: put its package/ back"):
        build(house.setting, RELEASE, PERIOD)

"""After rows of a person were deleted or corrected, nothing is published beside what was built with them."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from harness.forms import long_only
from harness.houses import MEMBERS, PERIOD, RELEASE, deliver

from anonymization.deidentify.taken import known_files
from anonymization.errors import StaleCandidate
from anonymization.policy.model import RequestKind
from anonymization.policy.requests import documents_of, today
from anonymization.release.choices import optouts
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.person_papers import Change
from anonymization.release.person_requests import Handler, Submitted, add_request, verify_request
from jobs.person_requests import carry_out
from jobs.taking import arrivals, run_intake
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.publish import publish
from jobs.verbs.status import stages

HANDLER = Handler("support-centre")
AGE = Change("subscribers", "birth_date", "1955-01-01")


@pytest.fixture
def asked(house, tmp_path):
    """Carries out a request of a member."""
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"scan")

    def asked(kind, member, change=None):
        setting = house.setting
        forms = documents_of(setting.policies.policy.requests[kind], proxy=False)
        documents = {name: (name, scan) for name in forms}
        given = Submitted(kind, [("member", member)], documents, today(setting.policies), change=change)
        one = add_request(setting, given, HANDLER)
        verify_request(setting, one.number, HANDLER, identity="seen")
        return carry_out(setting, one.number)

    return asked


@pytest.mark.both("attacks")
@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(RequestKind.DELETION, None, id="a deletion"),
        long_only("attacks", RequestKind.CORRECTION, AGE, id="a correction"),
    ],
)
def test_no_further_version_tells_of_the_person(house, released, asked, monkeypatch, kind, change):
    """Deleted, she is in no state that could be counted again: what a version without her tells counts as unsafe."""
    released(house)
    asked(kind, MEMBERS[0], change)
    setting = house.setting
    again = build(setting, RELEASE, PERIOD)
    result = gate(setting, again.id)
    assert not result.opened
    told = "since service-usage 2026-10 v1 (service_usage, subscribers) came out"
    told = told if kind is RequestKind.DELETION else told.replace("service_usage, ", "")
    assert result.reasons[0].startswith(f"{told}, rows of persons were deleted or corrected at their request")
    monkeypatch.setenv("NOREN_HOME", str(house.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(house.policies))
    said = "service-usage 2026-10 v1: no further version beside it: rows of persons were deleted or corrected since"
    assert said in list(stages())


@pytest.mark.long("attacks")
def test_nor_where_others_came_late_in_the_same_days(house, released, asked):
    """Twelve late members would be told; what was rewritten is not taken for late events, nor is it left out."""
    released(house)
    asked(RequestKind.DELETION, MEMBERS[0])
    setting = house.setting
    deliver(house.home, [f"late{n}" for n in range(12)], "late")
    files = arrivals(house.home, setting.policies)
    run = run_intake(house.home, setting.policies, files, optouts=optouts(house.home), rewritten=setting.rewritten)
    assert run.failures == ()
    again = build(setting, RELEASE, PERIOD)
    digests = {taken.digest for _, taken in known_files(house.home, "service_usage") if taken.accepted == 41}
    assert digests & set(again.request.inputs["service_usage"])
    assert not gate(setting, again.id).opened


def test_a_candidate_of_before_is_stale(house, asked):
    candidate = house.approved()
    asked(RequestKind.CORRECTION, MEMBERS[0], AGE)
    with pytest.raises(
        StaleCandidate, match="a person's request has changed logs that it was built of, after the gate"
    ):
        publish(house.setting, candidate.id)
    asked(RequestKind.DELETION, MEMBERS[1])
    assert not gate(house.setting, candidate.id).opened


@pytest.mark.long("attacks")
def test_where_nothing_is_out_the_release_goes_out_without_her(house, asked):
    asked(RequestKind.DELETION, MEMBERS[0])
    house.published()
    with house.ledger.transaction() as transaction:
        (out,) = transaction.entries(kind=EntryKind.PUBLICATION)
    rows = [row for paths, _ in known_files(house.home, "service_usage") for row in pq.read_table(paths[0]).to_pylist()]
    assert (out.payload["version"], len(rows)) == (1, len(MEMBERS) - 1)

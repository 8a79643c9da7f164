"""Versions of the policy have content: which of them was in force at collection decides, day by day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner
from harness.versions import FIRST, SECOND, no_statistics_of, two_versions, write_yaml, yaml_of

from anonymization.errors import DeclarationError, PolicyRefusal
from anonymization.policy.allowed import check_release
from anonymization.policy.in_force import barred, in_force, lines
from anonymization.policy.load import load_policies
from anonymization.policy.periods import EPOCH, parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.release.inputs import plan_release
from jobs.__main__ import main
from jobs.policy_page import page

OCTOBER = parse_period(PeriodKind.MONTH, "2026-10")
OF_ANALYTICS = no_statistics_of("analytics")


def nobody(_):
    """Both versions say the same."""


def other_parties(stated):
    stated["recipient_classes"]["shared_party"]["members"] = ["NTT DOCOMO INC."]


def without_device(stated):
    del stated["information_types"]["analytics"]
    for purpose in stated["purposes"].values():
        purpose["types"] = [one for one in purpose["types"] if one != "analytics"]


def days_barred(folder, name="web-audience", period=OCTOBER):
    policies = load_policies(folder)
    found = barred(policies, policies.release(name), period)
    return {
        source: [(EPOCH + timedelta(days=day)).isoformat() for day in sorted(one.days)] for source, one in found.items()
    }


FORTNIGHT = [f"2026-10-{day:02}" for day in range(1, 15)]
REST = [f"2026-10-{day}" for day in range(15, 32)]


@pytest.mark.parametrize(
    ("then", "now", "name", "expected"),
    [
        pytest.param(nobody, nobody, "web-audience", {}, id="both allow"),
        pytest.param(OF_ANALYTICS, nobody, "web-audience", {"analytics": FORTNIGHT}, id="the purpose, by the first"),
        pytest.param(nobody, OF_ANALYTICS, "web-audience", {"analytics": REST}, id="the purpose, by the second"),
        pytest.param(without_device, nobody, "web-audience", {"analytics": FORTNIGHT}, id="the type of information"),
        pytest.param(OF_ANALYTICS, nobody, "search-trends", {}, id="another source's"),
    ],
)  # fmt: skip
def test_the_version_in_force_on_the_day_decides(policy_folder, then, now, name, expected):
    assert days_barred(two_versions(policy_folder, then, changed_now=now), name) == expected


def test_a_shared_party_is_one_of_the_version_in_force(policy_folder):
    two_versions(policy_folder, other_parties)
    party = "title: {en: x, ja: x}\n    class: shared_party\n    contract: X\n    contact: x\n    member: X-LISTING Co., Ltd."
    recipients = policy_folder / "recipients.yaml"
    recipients.write_text(f"{recipients.read_text()}  listing:\n    {party}\n")
    release = policy_folder / "releases/web-audience.yaml"
    release.write_text(release.read_text().replace("recipient: ", "recipient: listing #"))
    policies = load_policies(policy_folder)
    found = barred(policies, policies.release("web-audience"), OCTOBER)
    assert found["analytics"].days == set(range(OCTOBER.first, OCTOBER.first + 14))
    assert (
        "by the version of 2018-02-01: the class shared party is a closed list, of which 'X-LISTING Co., Ltd.' is none. 3: “We may share"
        in found["analytics"].why
    )


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        pytest.param("Asia/Tokyo", SECOND - timedelta(days=1), [FIRST], id="the day before"),
        pytest.param("Asia/Tokyo", SECOND, [SECOND], id="the day"),
        pytest.param("UTC", SECOND - timedelta(days=1), [FIRST, SECOND], id="a day of another zone is in both"),
        pytest.param("UTC", SECOND, [SECOND], id="the next of another zone"),
        pytest.param("America/New_York", SECOND - timedelta(days=1), [FIRST, SECOND], id="west of both"),
        pytest.param("Pacific/Kiritimati", SECOND, [FIRST, SECOND], id="east of it"),
        pytest.param("Asia/Tokyo", FIRST - timedelta(days=1), [], id="before the first"),
        pytest.param("Pacific/Kiritimati", FIRST, [], id="a day that begins before the first"),
    ],
)
def test_a_version_begins_on_a_day_of_the_policys_zone(policy_folder, zone, day, expected):
    policies = load_policies(two_versions(policy_folder))
    source = policies.sources["analytics"].model_copy(update={"zone": zone})
    found = in_force(policies.policy, source, (day - EPOCH).days, policies.zone)
    assert [version.effective for version in found] == expected


def no_statistics_for_partners(stated):
    stated["recipient_classes"]["business_partner"]["statistics_of"] = []


def test_where_no_version_allows_it_the_release_is_refused_with_each_clause(policy_folder):
    two_versions(policy_folder, no_statistics_for_partners, changed_now=no_statistics_for_partners)
    with pytest.raises(PolicyRefusal) as refused:
        plan_release(load_policies(policy_folder), "web-audience", "2026-10")
    for version in (FIRST, SECOND):
        assert f"source 'analytics', by the version of {version}: " in str(refused.value)
    assert "3, 6: “We may provide our business partners" in str(refused.value)


@pytest.mark.parametrize("period", ["2026-09", "2026-11"])
def test_a_period_is_judged_by_its_own_versions_alone(policy_folder, period):
    """What another version allows helps no event of this one."""
    refuses = {"2026-09": {"change": OF_ANALYTICS}, "2026-11": {"changed_now": OF_ANALYTICS}}[period]
    two_versions(policy_folder, **refuses)
    path = policy_folder / "releases/web-audience.yaml"
    own = {"2026-09": FIRST, "2026-11": SECOND}[period]
    path.write_text(path.read_text().replace(f"[{FIRST}, {SECOND}]", f"[{own}]"))
    with pytest.raises(PolicyRefusal, match="source 'analytics', by the version of"):
        plan_release(load_policies(policy_folder), "web-audience", period)


def edited(folder, change):
    path = folder / "policy.yaml"
    content = yaml_of(path)
    change(content["versions"])
    write_yaml(path, content)


def with_purpose_of_nothing(versions):
    versions[0]["stated"]["purposes"]["a"]["types"] = ["customers"]


def with_an_unknown_party(versions):
    versions[0]["stated"]["recipient_classes"]["data_broker"] = versions[0]["stated"]["recipient_classes"]["internal"]


def without_a_party(versions):
    del versions[0]["stated"]["recipient_classes"]["person"]


def with_an_unknown_key(versions):
    versions[0]["stated"]["purposs"] = {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda v: v.reverse(), "versions stand in order of their effective days, each day once", id="unordered"),
        pytest.param(lambda v: v[1].update(effective=FIRST), "versions stand in order of their effective days, each day once", id="two of one day"),
        pytest.param(lambda v: v[0].pop("stated"), "that of 2018-02-01 is not the last; `stated` says what it said: information_types, purposes, recipient_classes, text", id="dates without content"),
        pytest.param(lambda v: v[1].update(stated=v[0]["stated"]), "the last, of 2026-10-15, is what the file says", id="content twice"),
        pytest.param(with_purpose_of_nothing, "versions.0.stated: purpose 'a' covers unknown information types ..customers", id="unknown type"),
        pytest.param(with_an_unknown_party, "versions.0.stated.recipient_classes.data_broker.* 'internal', 'outsourcee'", id="unknown party"),
        pytest.param(without_a_party, "versions.0.stated: recipient classes missing: ..person", id="party missing"),
        pytest.param(with_an_unknown_key, "versions.0.stated.purposs: unknown key; allowed here: .*did you mean 'purposes'", id="unknown key"),
        pytest.param(lambda v: v[0]["stated"]["text"].update(file="policy-2018-02-02.txt"), "the words of that of 2018-02-01 stand in policy-2018-02-01.txt", id="words of another day"),
        pytest.param(lambda v: v[0]["stated"]["text"].update(sha256="0" * 64), "policy-2018-02-01.txt has the digest [0-9a-f]{64}: it is another text", id="other words"),
    ],
)  # fmt: skip
def test_what_a_version_cannot_be(policy_folder, change, said):
    edited(two_versions(policy_folder), change)
    with pytest.raises(DeclarationError, match=said) as refused:
        load_policies(policy_folder)
    assert len(str(refused.value).splitlines()) == 1


def test_what_any_version_names_may_be_named(policy_folder):
    """A purpose that the policy gave up is still that of what was collected for it."""

    def gives_up(content):
        del content["purposes"]["k"]

    two_versions(policy_folder, changed_now=gives_up)
    p = load_policies(policy_folder)
    assert p.sources["subscribers"].purposes == ("a", "i", "j", "k")
    found = barred(p, p.release("monthly-audience"), OCTOBER)
    assert [day - OCTOBER.first + 1 for day in sorted(found["subscribers"].days)] == list(range(15, 32))
    assert check_release(p.release("monthly-audience"), p.policy, p.sources, p.links, p.recipients)


@pytest.fixture
def noren(policy_folder, monkeypatch):
    monkeypatch.setenv("NOREN_POLICIES", str(policy_folder))
    return lambda *words: CliRunner().invoke(main, list(words))


def test_explain_and_check_show_what_a_change_of_the_policy_changes(policy_folder, noren):
    before = noren("explain", "web-audience").output
    assert "--   analytics: from 2018-02-01 allowed by 2(2), 3, 6\n" in before
    two_versions(policy_folder, changed_now=OF_ANALYTICS)
    told = noren("explain", "web-audience")
    assert told.exit_code == 0, told.output
    expected = "analytics: from 2018-02-01 allowed by 2(2), 3, 6; from 2026-10-15 not allowed: the purpose 'statistical_information'"
    assert expected in told.output
    assert "-- of 2026-10 not read: analytics, 2026-10-15 to 2026-10-31" in told.output
    assert told.output.endswith(before.partition("\n\n")[2]), "the SQL is the same"
    said = noren("check", "web-audience")
    assert said.exit_code == 0
    assert "  but not of source 'analytics' by the version of 2026-10-15: the purpose" in said.output


def test_explain_shows_it_of_a_release_that_is_refused(policy_folder, noren):
    two_versions(policy_folder, no_statistics_for_partners, changed_now=no_statistics_for_partners)
    told = noren("explain", "web-audience")
    assert told.exit_code == 1
    assert "from 2018-02-01 not allowed" in told.output


def test_the_page_tells_what_the_version_before_said_otherwise(policy_folder):
    def gives_up(content):
        del content["purposes"]["k"]

    told = page(load_policies(two_versions(policy_folder, other_parties, changed_now=gives_up)))
    assert "What was collected from 2018-02-01 on, until the next version, is judged by" in told
    assert "The last one says otherwise of: `purposes.k`, `recipient_classes.shared_party`." in told


def test_with_one_version_nothing_is_left_out(policies):
    for name in policies.releases:
        assert barred(policies, policies.release(name), OCTOBER) == {}
        assert all(" from 2018-02-01 allowed by " in line for line in lines(policies, policies.release(name)))

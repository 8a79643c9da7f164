"""Clause 3's exceptions: consent that was recorded, and what laws permit; what they allow, for whom, until when."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from harness.versions import write_yaml, yaml_of

from anonymization.errors import DeclarationError, PolicyRefusal
from anonymization.policy.allowed import check_microdata
from anonymization.policy.decide import Clause, Refused, decide
from anonymization.policy.grounds import Ground, GroundKind
from anonymization.policy.load import load_policies
from anonymization.policy.model import Kind, RecipientClass
from jobs.__main__ import main
from jobs.policy_page import page

SINCE, UNTIL = date(2026, 4, 1), date(2027, 3, 31)
CONSENT = {
    "kind": "consent", "scope": "Profiles of members for a survey on media use", "reference": "CONSENT-2026-014",
    "since": SINCE, "until": UNTIL, "recipients": ["media-research"], "information_types": ["customer"],
    "purposes": ["j"],
}  # fmt: skip
LAW = CONSENT | {
    "kind": "law",
    "reference": "Act on the Protection of Personal Information, Article 27(1)(i)",
    "until": None,
}
ROWS = "subscriber-profile"


def record(folder, name="survey", **changes):
    path = folder / "policy.yaml"
    content = yaml_of(path)
    content.setdefault("grounds", {})[name] = CONSENT | changes
    write_yaml(path, content)
    return folder


def asked(policies, ground=CONSENT, *, kind=Kind.PERSONAL_INFORMATION, of="customer", purpose="j", to="third_party"):
    grounds = [Ground(**ground)]
    return decide(policies.policy, kind, [of], purpose, RecipientClass(to), grounds=grounds)


@pytest.mark.parametrize(
    ("given", "excepted"),
    [
        pytest.param({}, True, id="consent"),
        pytest.param({"ground": LAW}, True, id="a law"),
        pytest.param({"to": "business_partner"}, True, id="a partner is a third party, too"),
        pytest.param({"of": "event_attendee"}, False, id="other information"),
        pytest.param({"purpose": "i"}, False, id="another purpose"),
        pytest.param({"kind": Kind.USER_INFORMATION, "of": "history", "purpose": "statistical_information"}, False, id="user information"),
    ],
)  # fmt: skip
def test_clause_3_an_exception_is_for_its_own_scope(policies, given, excepted):
    """The house rule stands all the same: what the exception changes is which rule it is that refuses."""
    decision = asked(policies, **given)
    assert isinstance(decision, Refused)
    by_house = [clause.clause for clause in decision.clauses] == ["house rule"]
    assert by_house is excepted
    assert ("; clause 3's exception, " in decision.reason) is excepted


@pytest.mark.parametrize(
    ("ground", "said"), [(CONSENT, "consent CONSENT-2026-014, until 2027-03-31"), (LAW, "law Act on")]
)
def test_the_house_does_not_use_it_and_says_so(policies, ground, said):
    assert f"whoever the recipient is; clause 3's exception, {said}" in asked(policies, ground).reason


def test_clause_3_without_the_house_rule_the_exception_allows(policies, monkeypatch):
    """In its own words, not in those which say that nothing is provided."""
    monkeypatch.setattr("anonymization.policy.decide._house_rules", lambda *_: None)
    for ground in (CONSENT, LAW):
        decision = asked(policies, ground)
        assert decision.grounds == (Ground(**ground),)
        assert decision.clauses[1] == Clause("3", Ground(**ground).kind.words)
    assert asked(policies, purpose="i").clauses[1].text.startswith("We will not provide")


def test_the_words_of_the_exceptions_are_the_policys_own(policies):
    text = " ".join((policies.folder / "policy.txt").read_text(encoding="utf-8").split())
    assert all(kind.words in text for kind in GroundKind)


@pytest.mark.parametrize(
    ("day", "recipient", "holds"),
    [
        pytest.param(SINCE - timedelta(days=1), "media-research", False, id="before"),
        pytest.param(SINCE, "media-research", True, id="the first day"),
        pytest.param(UNTIL, "media-research", True, id="the last day"),
        pytest.param(UNTIL + timedelta(days=1), "media-research", False, id="after"),
        pytest.param(SINCE, "urban-planning", False, id="somebody else"),
    ],
)
def test_a_ground_holds_for_whom_and_as_long_as_it_says(policy_folder, day, recipient, holds):
    path = record(policy_folder) / "microdata" / f"{ROWS}.yaml"
    path.write_text(path.read_text().replace("recipient: analysts", f"recipient: {recipient}"))
    p = load_policies(policy_folder)
    with pytest.raises(PolicyRefusal) as refused:
        check_microdata(p.rows(ROWS), p.policy, p.sources, p.links, p.recipients, on=day)
    (line,) = [line for line in str(refused.value).splitlines() if "source 'subscribers'" in line]
    assert ("exception, consent CONSENT-2026-014" in line) is holds
    assert ("3: “We will not provide" in line) is not holds


ID = "looks like somebody's id"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"reference": "m0012"}, f"grounds.survey.reference: this {ID}", id="a member's id"),
        pytest.param({"reference": "CONSENT of someone@mail.example"}, f"reference: this {ID}", id="an address"),
        pytest.param({"scope": "Profile of 48210377"}, f"grounds.survey.scope: this {ID}", id="a number"),
        pytest.param({"reference": ""}, "grounds.survey.reference: String should have at least 1", id="no record"),
        pytest.param({"until": date(2026, 3, 31)}, "holds from 2026-04-01 until 2026-03-31: the last day is not", id="ends before"),
        pytest.param({"information_types": ["history"]}, "'survey': the information type 'history' is no personal information", id="user information"),
        pytest.param({"information_types": ["customers"]}, "'customers' is unknown; allowed: ..customer'", id="unknown type"),
        pytest.param({"purposes": ["profit"]}, "the purpose 'profit' is unknown; known: ..a'", id="unknown purpose"),
        pytest.param({"purposes": ["u"]}, "the purpose 'u' does not cover 'customer'", id="a purpose of others"),
        pytest.param({"recipients": ["nobody"]}, "grounds.survey.recipients: 'nobody' is unknown; known: ..analysts'", id="unknown recipient"),
        pytest.param({"recipients": ["analysts"]}, "'analysts' is of the class internal, which needs no exception", id="inside"),
        pytest.param({"kind": "habit"}, "grounds.survey.kind: Input should be 'consent' or 'law'", id="another kind"),
        pytest.param({"person": "x"}, "grounds.survey.person: unknown key", id="a person"),
    ],
)  # fmt: skip
def test_what_a_ground_cannot_be(policy_folder, changes, said):
    with pytest.raises(DeclarationError, match=said) as refused:
        load_policies(record(policy_folder, **changes))
    assert len(str(refused.value).splitlines()) == 1
    for value in ("m0012", "someone@mail", "48210377"):
        assert value not in str(refused.value), "what may be somebody's id is not repeated"


def test_the_page_shows_what_each_allows_for_whom_until_when(policy_folder, policies):
    assert "exceptions" not in page(policies)
    record(policy_folder)
    record(policy_folder, "tax_office", **{name: LAW[name] for name in ("kind", "reference", "until")})
    told = page(load_policies(policy_folder))
    assert (
        "| survey: consent | CONSENT-2026-014 | Profiles of members for a survey on media use | 2026-04-01 | 2027-03-31 | media-research | customer | j | allowed (3); not used: personal information does not leave the house"
        in told
    )
    assert "| tax_office: law | Act on the Protection of Personal Information, Article 27(1)(i) |" in told


def test_check_tells_it(policy_folder, monkeypatch):
    record(policy_folder, since=date(2020, 1, 1), until=None)
    path = policy_folder / "microdata" / f"{ROWS}.yaml"
    path.write_text(path.read_text().replace("recipient: analysts", "recipient: media-research"))
    monkeypatch.setenv("NOREN_POLICIES", str(policy_folder))
    told = CliRunner().invoke(main, ["check", ROWS])
    assert told.exit_code == 1
    assert (
        "source 'subscribers': personal information does not leave the house, whoever the recipient is; clause 3's"
        in told.output
    )

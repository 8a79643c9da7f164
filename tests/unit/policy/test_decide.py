"""decide() is total: every type x purpose x class x kind, against a table written by hand from the policy's text."""

from __future__ import annotations

import itertools

import pytest

from anonymization.policy.decide import Permitted, Refused, decide
from anonymization.policy.model import Kind, RecipientClass

# Which purposes the text gives each type of information; 2(1)(i) and (ii) share (a) to (k) by the source's layout.
CUSTOMER = set("abcdefghijk")
INQUIRER = set("mnopqrst")
USER = {
    "provision_and_improvement", "development_and_survey", "input_support", "survey_and_analysis",
    "statistical_information",
}  # fmt: skip
PURPOSES = {
    "customer": CUSTOMER, "event_attendee": CUSTOMER, "partner_contact": {"l"}, "inquirer": INQUIRER,
    "applicant": {"u", "v"}, "outsourced": {"w"}, "security_camera": {"x"},
    "device": USER, "service_usage": USER, "location": USER, "history": USER, "analytics": USER,
}  # fmt: skip
PERSONAL = {
    "customer", "event_attendee", "partner_contact", "inquirer", "applicant", "outsourced", "security_camera",
}  # fmt: skip
# Statistics: who may provide them to a third party by which purpose, and who may prepare them for the house alone.
PROVIDES = {"k", "t", "statistical_information"}
PREPARES = {"j", "s", "survey_and_analysis"} | PROVIDES
# A purpose of statistics stands for the same purpose of another group: (k), (t) and the fifth of 2(2) say the same.
HAS_PROVISION = {
    "customer", "event_attendee", "inquirer", "device", "service_usage", "location", "history", "analytics",
}  # fmt: skip
STATISTICS_OUTSIDE = {"outsourcee", "shared_party", "business_partner", "third_party"}


def expected(kind, information_type, purpose, recipient):
    """Whether the text, and then the house rules, allow it."""
    if kind == "statistics":
        if information_type not in HAS_PROVISION:
            return False
        if recipient == "internal":  # every use of what may become statistics at all, of which one is their preparation
            return purpose in PURPOSES[information_type] or purpose in PREPARES
        return recipient in STATISTICS_OUTSIDE and purpose in PROVIDES
    stands = purpose in PURPOSES[information_type]
    if kind == "personal_information":
        # 3 lets outsourcees and shared parties have it, 4 the person; the house lets it out to the person alone.
        within = stands or (purpose in PREPARES and equal(information_type, purpose))
        return within and information_type in PERSONAL and recipient in {"internal", "person"}
    within = stands or (purpose in PREPARES and equal(information_type, purpose))
    return within and information_type not in PERSONAL and recipient == "internal"


def equal(information_type, purpose):
    """Whether the type's own clauses say of statistics what the purpose says of another group's."""
    if purpose in PROVIDES:
        return information_type in HAS_PROVISION
    return information_type in HAS_PROVISION


TYPES = list(PURPOSES)
EVERY_PURPOSE = [*"abcdefghijklmnopqrstuvwx", *sorted(USER)]


def test_the_policy_has_exactly_these_types_and_purposes(policies):
    assert list(policies.policy.information_types) == TYPES
    assert sorted(policies.policy.purposes) == sorted(EVERY_PURPOSE)
    assert {name: set(p.types) for name, p in policies.policy.purposes.items()} == {
        purpose: {t for t, allowed in PURPOSES.items() if purpose in allowed} for purpose in EVERY_PURPOSE
    }


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("recipient", list(RecipientClass))
def test_the_whole_matrix(policies, kind, recipient):
    wrong = []
    for information_type, purpose in itertools.product(TYPES, EVERY_PURPOSE):
        decision = decide(policies.policy, kind, [information_type], purpose, recipient)
        if isinstance(decision, Permitted) != expected(kind.value, information_type, purpose, recipient.value):
            wrong.append((information_type, purpose, decision))
        assert decision.clauses
        if isinstance(decision, Refused):
            assert decision.reason
    assert wrong == []


@pytest.mark.parametrize(
    ("types", "purpose", "clauses"),
    [
        pytest.param(["customer"], "statistical_information", ["2(1)(k)"], id="a customer's statistics stand on (k)"),
        pytest.param(["inquirer"], "statistical_information", ["2(1)(t)"], id="an inquirer's on (t)"),
        pytest.param(["location"], "k", ["2(2)"], id="user information on 2(2)"),
        pytest.param(["customer", "history"], "statistical_information", ["2(1)(k)", "2(2)"], id="joined: on both"),
    ],
)
def test_each_type_stands_on_its_own_clause(policies, types, purpose, clauses):
    decision = decide(policies.policy, Kind.STATISTICS, types, purpose, RecipientClass.THIRD_PARTY)
    assert [clause.clause for clause in decision.clauses] == clauses


@pytest.mark.parametrize(
    ("kind", "types", "purpose", "recipient", "words"),
    [
        pytest.param(Kind.STATISTICS, [], "k", "third_party", "no information type", id="nothing named"),
        pytest.param(Kind.STATISTICS, ["weather"], "k", "third_party", "'weather'", id="unknown type"),
        pytest.param(Kind.STATISTICS, ["customer"], "z", "third_party", "'z'", id="unknown purpose"),
        pytest.param(Kind.STATISTICS, ["applicant"], "k", "third_party", "does not cover", id="applicants: never"),
        pytest.param(
            Kind.USER_INFORMATION, ["history"], "provision_and_improvement", "business_partner", "does not leave",
            id="the policy permits rows to partners, the house does not",
        ),
    ],
)  # fmt: skip
def test_refusals_say_why(policies, kind, types, purpose, recipient, words):
    decision = decide(policies.policy, kind, types, purpose, RecipientClass(recipient))
    assert isinstance(decision, Refused)
    assert words in decision.reason


def test_a_house_rule_is_never_quoted_as_a_clause(policies):
    decision = decide(
        policies.policy,
        Kind.USER_INFORMATION,
        ["history"],
        "provision_and_improvement",
        RecipientClass.BUSINESS_PARTNER,
    )
    assert [clause.clause for clause in decision.clauses] == ["house rule"]

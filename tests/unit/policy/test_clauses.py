"""Each clause of the policy, by what it does: as the text says it, written by hand, entry by entry."""

from __future__ import annotations

import pytest
import yaml
from test_allowed import allowed, declare

from anonymization.errors import DecisionRefusal, DeclarationError, PolicyRefusal
from anonymization.keys import generate_officer_key, load_private_key, require_enrolled
from anonymization.policy.decide import Permitted, decide
from anonymization.policy.load import load_policies
from anonymization.policy.model import Kind, RecipientClass
from jobs.policy_page import lines

PERSONAL, USER, STATISTICS = Kind.PERSONAL_INFORMATION, Kind.USER_INFORMATION, Kind.STATISTICS
INSIDE, THIRD = RecipientClass.INTERNAL, RecipientClass.THIRD_PARTY
A_TO_K, M_TO_T = frozenset("abcdefghijk"), frozenset("mnopqrst")
OF_2_2 = frozenset(
    ("provision_and_improvement", "development_and_survey", "input_support", "survey_and_analysis", "statistical_information")
)  # fmt: skip
NONE = frozenset()
MATERIAL = frozenset("jkst") | {"survey_and_analysis", "statistical_information"}
"""Purposes of statistical material, which the text gives each group of information in words of its own."""
PROVIDED = frozenset("kt") | {"statistical_information"}
"""Of them, those that provide it to a third party."""

INFORMATION = {
    "2(1)(i) customer": (PERSONAL, A_TO_K, "k"),
    "2(1)(ii) event_attendee": (PERSONAL, A_TO_K, "k"),
    "2(1)(iii) partner_contact": (PERSONAL, frozenset("l"), None),
    "2(1)(iv) inquirer": (PERSONAL, M_TO_T, "t"),
    "2(1)(v) applicant": (PERSONAL, frozenset("uv"), None),
    "2(1)(vi) outsourced": (PERSONAL, frozenset("w"), None),
    "2(1)(vii) security_camera": (PERSONAL, frozenset("x"), None),
    "2(2) device": (USER, OF_2_2, "statistical_information"),
    "2(2) service_usage": (USER, OF_2_2, "statistical_information"),
    "2(2) location": (USER, OF_2_2, "statistical_information"),
    "2(2), 6 history": (USER, OF_2_2, "statistical_information"),
    "7 analytics": (USER, OF_2_2, "statistical_information"),
}
"""By clause and type: its class, its purposes, and by which of them statistics of it are provided outside."""


def may(policies, kind, information, to):
    """The purposes for which information may go to a class of recipients."""
    every = policies.policy.purposes
    return {one for one in every if isinstance(decide(policies.policy, kind, [information], one, to), Permitted)}


@pytest.mark.parametrize("clause", INFORMATION)
def test_clause_of_information(policies, clause):
    kind, own, provided = INFORMATION[clause]
    name = clause.rpartition(" ")[2]
    other = USER if kind is PERSONAL else PERSONAL
    said = own | MATERIAL if provided else own
    assert may(policies, kind, name, INSIDE) == said
    assert may(policies, other, name, INSIDE) == set()
    assert may(policies, STATISTICS, name, INSIDE) == (said if provided else set())
    assert may(policies, STATISTICS, name, THIRD) == (PROVIDED if provided else set())
    for purpose in PROVIDED if provided else ():
        by = decide(policies.policy, STATISTICS, [name], purpose, THIRD)
        assert [one.clause for one in by.clauses] == [policies.policy.purposes[provided].clause]
    assert policies.policy.information_types[name].clause == clause.rpartition(" ")[0]


CUSTOMERS, INQUIRERS = frozenset(("customer", "event_attendee")), frozenset(("inquirer",))
USERS = frozenset(("device", "service_usage", "location", "history", "analytics"))
PREPARE, PROVIDE = "prepare", "provide"
PURPOSES = {
    **{f"2(1)({one}) {one}": (CUSTOMERS, None) for one in "abcdefghi"},
    "2(1)(j) j": (CUSTOMERS, PREPARE),
    "2(1)(k) k": (CUSTOMERS, PROVIDE),
    "2(1)(l) l": (frozenset(("partner_contact",)), None),
    **{f"2(1)({one}) {one}": (INQUIRERS, None) for one in "mnopqr"},
    "2(1)(s) s": (INQUIRERS, PREPARE),
    "2(1)(t) t": (INQUIRERS, PROVIDE),
    "2(1)(u) u": (frozenset(("applicant",)), None),
    "2(1)(v) v": (frozenset(("applicant",)), None),
    "2(1)(w) w": (frozenset(("outsourced",)), None),
    "2(1)(x) x": (frozenset(("security_camera",)), None),
    "2(2) provision_and_improvement": (USERS, None),
    "2(2) development_and_survey": (USERS, None),
    "2(2) input_support": (USERS, None),
    "2(2) survey_and_analysis": (USERS, PREPARE),
    "2(2) statistical_information": (USERS, PROVIDE),
}
"""By clause and purpose: of what, and whether it is about statistics: to prepare them, or also to provide them."""
OF_STATISTICS = CUSTOMERS | INQUIRERS | USERS
"""What may become statistics at all."""


@pytest.mark.parametrize("clause", PURPOSES)
def test_clause_of_a_purpose(policies, clause):
    of, statistics = PURPOSES[clause]
    stated, purpose = clause.split(" ")

    def about(kind, to):
        types = policies.policy.information_types
        return {one for one in types if isinstance(decide(policies.policy, kind, [one], purpose, to), Permitted)}

    used = OF_STATISTICS if statistics else of
    assert about(PERSONAL, INSIDE) | about(USER, INSIDE) == used
    assert about(STATISTICS, INSIDE) == used & OF_STATISTICS
    assert about(STATISTICS, THIRD) == (OF_STATISTICS if statistics is PROVIDE else set())
    assert set(policies.policy.purposes[purpose].types) == of
    for one in of:
        own = decide(policies.policy, PERSONAL if one not in USERS else USER, [one], purpose, INSIDE)
        assert own.clauses[0].clause == stated


RECIPIENTS = {
    "2(1), 2(2) internal": ({PERSONAL, USER, STATISTICS}, {PERSONAL, USER, STATISTICS}),
    "3 outsourcee": ({PERSONAL, STATISTICS}, {STATISTICS}),
    "3, 6 business_partner": ({USER, STATISTICS}, {STATISTICS}),
    "3 third_party": ({STATISTICS}, {STATISTICS}),
    "4 person": ({PERSONAL}, {PERSONAL}),
}
"""By clause and class: what the policy lets it have, and what the house does."""


def had(policies, to):
    """Of which kinds a class of recipients may have something."""
    pairs = (("customer", "k"), ("history", "statistical_information"))
    return {
        kind for kind in Kind for of, purpose in pairs
        if isinstance(decide(policies.policy, kind, [of], purpose, to), Permitted)
    }  # fmt: skip


@pytest.mark.parametrize("clause", RECIPIENTS)
def test_clause_of_recipients(policies, clause, monkeypatch):
    stated, _, name = clause.rpartition(" ")
    to, (by_policy, by_house) = RecipientClass(name), RECIPIENTS[clause]
    assert had(policies, to) == by_house
    monkeypatch.setattr("anonymization.policy.decide._house_rules", lambda *_: None)
    assert had(policies, to) == by_policy
    assert policies.policy.recipient_classes[to].clause == stated


def test_clause_of_each_entry_is_written_here(policies):
    """An entry that is added to the policy needs its line above; a shared party has a test of its own."""
    said = {"information_types": INFORMATION, "purposes": PURPOSES, "recipient_classes": RECIPIENTS}
    found = {section: set() for section in said}
    for line in lines(policies.policy):
        section, _, name = line.declared.partition(".")
        if section in said and name != "shared_party":
            found[section].add(f"{line.clause} {name}")
    assert found == {section: set(cases) for section, cases in said.items()}


def test_clause_2_2_user_information_alone(policies):
    """It is no personal information by itself, and no recipient outside has it row by row."""
    for name in USERS:
        assert may(policies, PERSONAL, name, INSIDE) == set()
        for to in RecipientClass:
            assert bool(may(policies, USER, name, to)) is (to is INSIDE)


def test_clause_3_the_administrator_approves(policies, tmp_path):
    """Nobody is an officer who is not enrolled, and of the shipped folder nobody is."""
    public = generate_officer_key(tmp_path / "officer.key")
    key = load_private_key(tmp_path / "officer.key")
    enrolled = {name: str(one.public_key) for name, one in policies.officers.items()}
    with pytest.raises(DecisionRefusal, match="'risk-management' is not enrolled with this key"):
        require_enrolled("risk-management", enrolled, key)
    require_enrolled("risk-management", {"risk-management": public}, key)


@pytest.mark.parametrize("name", ["history", "analytics"])
def test_clause_6_no_cookie_goes_to_a_partner(policies, name):
    """The clause permits it for advertisement; the house does not, and says that it is the house."""
    for purpose in OF_2_2:
        decision = decide(policies.policy, USER, [name], purpose, RecipientClass.BUSINESS_PARTNER)
        assert [one.clause for one in decision.clauses] == ["house rule"]
        assert decision.reason == "user information does not leave the house, whoever the recipient is"


def test_clause_6_what_partners_store_reaches_no_source(policies, policy_folder):
    """Their access logs are a source of their own, whose persons nothing relates to a cookie."""
    by_cookie = {name for name, one in policies.sources.items() if any(p.namespace == "cookie" for p in one.persons)}
    assert by_cookie == {"beacons", "clicks", "displays", "links", "searches"}
    page = {"source": "partner_sites", "column": "page", "resolve": "latest"}
    dimension = {
        "kind": "person",
        "title": {"en": "x", "ja": "x"},
        "attribute": "page",
        "levels": ["page"],
        "codelist": "service",
    }
    content = yaml.safe_load((policy_folder / "releases/monthly-audience.yaml").read_text())
    table = {
        "title": {"en": "x", "ja": "x"},
        "dimensions": ["page"],
        "measures": {"persons": {"kind": "persons", "source": "clicks", "title": {"en": "x", "ja": "x"}}},
    }
    assert "clicks" in content["sources"]
    declare(
        policy_folder, "monthly-audience", sources=["clicks", "links", "partner_sites"], attributes={"page": page},
        dimensions={"page": dimension}, tables={"t": table}, headlines={}, pins={},
    )  # fmt: skip
    with pytest.raises(
        PolicyRefusal, match=r"table 't' by 'page' joins 'clicks' \(cookie\) and 'partner_sites' \(address\)"
    ):
        allowed(policy_folder)


def test_clause_7_analytics_have_the_purposes_of_2_2(policies):
    assert {name for name, one in policies.policy.purposes.items() if "analytics" in one.types} == OF_2_2
    assert may(policies, USER, "analytics", INSIDE) >= OF_2_2
    assert may(policies, PERSONAL, "analytics", INSIDE) == set()


def test_clause_7_what_the_provider_exports_is_one_source(policies, policy_folder):
    """No other source is of that type, or has the provider's client ids; and nothing else may collect it under another."""
    assert [name for name, one in policies.sources.items() if one.information_type == "analytics"] == ["analytics"]
    assert [name for name, one in policies.sources.items() if any(p.namespace == "client" for p in one.persons)] == [
        "analytics"
    ]
    path = policy_folder / "sources/analytics.yaml"
    path.write_text(path.read_text().replace("information_type: analytics", "information_type: customer"))
    with pytest.raises(
        DeclarationError, match=r"purposes: 'provision_and_improvement' \(2\(2\)\) does not cover 'customer'"
    ):
        load_policies(policy_folder)

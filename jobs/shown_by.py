"""Which test shows what a clause of the policy does: one named after the clause, for everything that is declared."""

from __future__ import annotations

CLAUSES = "tests/unit/policy/test_clauses.py"
ALLOWED = "tests/unit/policy/test_allowed.py"
CHOICES = "tests/unit/release/test_clauses_of_choices.py"
INTAKE = "tests/unit/deidentify/test_clauses_of_intake.py"
REQUESTS = "tests/unit/jobs/test_requests.py"
OF_EACH = {
    "information_types": f"{CLAUSES}::test_clause_of_information",
    "purposes": f"{CLAUSES}::test_clause_of_a_purpose",
    "recipient_classes": f"{CLAUSES}::test_clause_of_recipients",
}
"""Sections whose entries are the cases of one test each: `[clause name]`."""
SHOWN_BY = {
    "recipient_classes.shared_party": f"{ALLOWED}::test_clause_3_shared_parties_are_a_closed_list",
    "rules.combination": f"{ALLOWED}::test_clause_2_2_combination",
    "rules.user_information_alone": f"{CLAUSES}::test_clause_2_2_user_information_alone",
    "rules.administrator_of_shared_use": f"{ALLOWED}::test_clause_3_shared_parties_are_a_closed_list",
    "rules.administrator": f"{CLAUSES}::test_clause_3_the_administrator_approves",
    "rules.mandatory_items": f"{INTAKE}::test_clause_5_mandatory_items",
    "rules.cookies_for_advertisement": f"{CLAUSES}::test_clause_6_no_cookie_goes_to_a_partner",
    "rules.partners_use_of_cookies": f"{CLAUSES}::test_clause_6_no_cookie_goes_to_a_partner",
    "rules.cookies_where_permitted": f"{INTAKE}::test_clause_6_a_cookie_that_is_permitted_counts",
    "rules.cookies_by_partners": f"{CLAUSES}::test_clause_6_what_partners_store_reaches_no_source",
    "rules.analytics_purposes": f"{CLAUSES}::test_clause_7_analytics_have_the_purposes_of_2_2",
    "rules.analytics_without_a_name": f"{INTAKE}::test_clause_7_nobody_is_named_by_analytics",
    "rules.analytics_at_the_provider": f"{CLAUSES}::test_clause_7_what_the_provider_exports_is_one_source",
    "requests.disclosure": f"{REQUESTS}::test_clause_4a_disclosure",
    "requests.correction": f"{REQUESTS}::test_clause_4b_correction_and_addition",
    "requests.addition": f"{REQUESTS}::test_clause_4b_correction_and_addition",
    "requests.discontinuation": f"{REQUESTS}::test_clause_4c_4d_discontinuation_of_use_and_cease_of_provision",
    "requests.deletion": f"{REQUESTS}::test_clause_4c_deletion",
    "requests.cease_provision": f"{REQUESTS}::test_clause_4c_4d_discontinuation_of_use_and_cease_of_provision",
    "retention": f"{REQUESTS}::test_clause_4_papers_are_swept",
    "choices.cookie_refused": f"{CHOICES}::test_clause_6_whoever_refuses_cookies_is_in_nothing",
    "choices.analytics_opt_out": f"{CHOICES}::test_clause_7_whoever_opts_out_of_analytics_is_in_nothing",
    "choices.discontinuation_of_use": f"{CHOICES}::test_clause_4_whoever_discontinues_is_in_nothing",
}
"""By what is declared."""
UNKNOWN = "—"


def shown_by(clause: str, declared: str) -> str:
    """Return the test that shows the effect of what is declared; a dash if there is none.

    Args:
        clause: that it stands on.
        declared: its section and name, such as `purposes.a`.
    """
    section, _, name = declared.partition(".")
    if declared in SHOWN_BY or section not in OF_EACH:
        return SHOWN_BY.get(declared, UNKNOWN)
    return f"{OF_EACH[section]}[{clause} {name}]"

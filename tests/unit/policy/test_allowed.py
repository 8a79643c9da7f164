"""Whether what is declared is allowed: each clause that a declaration can run against, quoted in the refusal."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from anonymization.errors import DeclarationError, PolicyRefusal
from anonymization.policy.allowed import check_microdata, check_release
from anonymization.policy.load import load_policies
from anonymization.policy.model import PolicyDocument, Quoted
from jobs.__main__ import main
from jobs.policy_page import lines, page, shown_by

ROOT = Path(__file__).parents[3]
TITLE = {"en": "x", "ja": "x"}


def edit(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def declare(folder, based_on="service-usage", name="another", **changes):
    content = yaml.safe_load((folder / "releases" / f"{based_on}.yaml").read_text()) | {"release": name, **changes}
    (folder / "releases" / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def allowed(folder, name="another"):
    p = load_policies(folder)
    return check_release(p.release(name), p.policy, p.sources, p.links, p.recipients)


def test_clause_2_a_source_is_used_for_what_it_was_collected_for(policy_folder):
    purposes = "[provision_and_improvement, survey_and_analysis, statistical_information]"
    edit(policy_folder, "sources/service_usage.yaml", purposes, "[provision_and_improvement]")
    declare(policy_folder)
    said = r"source 'service_usage': it was not collected for 'statistical_information'; its purposes: provision.* 2\(2\): “Prep"
    with pytest.raises(PolicyRefusal, match=said):
        allowed(policy_folder)


@pytest.mark.parametrize(
    ("purpose", "clauses"),
    [
        ("a", ["2(1)(a)", "2(1)(j)", "2(1), 2(2)"]),
        ("c", ["2(1)(c)", "2(1)(j)", "2(1), 2(2)"]),
        ("i", ["2(1)(i)", "2(1)(j)", "2(1), 2(2)"]),
        ("j", ["2(1)(j)", "2(1), 2(2)"]),
    ],
)
def test_clause_2_1_statistics_inside_are_allowed_for_every_use(policy_folder, purpose, clauses):
    measures = {"persons": {"kind": "persons", "source": "subscribers", "title": TITLE}}
    tables = {"persons": {"title": TITLE, "dimensions": ["service"], "measures": measures}}
    edit(policy_folder, "sources/subscribers.yaml", "[a, i, j, k]", "[a, c, i, j, k]")
    inside = {"recipient": "analysts", "purpose": purpose, "sources": ["subscribers"], "tables": tables}
    declare(policy_folder, **inside)
    assert [clause.clause for clause in allowed(policy_folder)] == clauses


@pytest.mark.parametrize("purpose", ["a", "c", "i", "j"])
def test_clause_2_1_statistics_for_another_use_stay_inside(policy_folder, purpose):
    edit(policy_folder, "sources/subscribers.yaml", "[a, i, j, k]", "[a, c, i, j, k]")
    declare(policy_folder, purpose=purpose)
    with pytest.raises(PolicyRefusal, match="may not go to a recipient of the class third party"):
        allowed(policy_folder)


PERSONS_BY_AGE = {
    "t": {
        "title": TITLE, "dimensions": ["age_band"],
        "measures": {"persons": {"kind": "persons", "source": "locations", "title": TITLE}},
    }
}  # fmt: skip


@pytest.mark.parametrize("read", [["locations", "subscribers"], ["locations", "subscribers", "links"]])
def test_clause_2_2_combination(policy_folder, read):
    """Terminals by members' age: nothing relates them, so everybody would be of unknown age."""
    age_band = yaml.safe_load((policy_folder / "releases/service-usage.yaml").read_text())["dimensions"]["age_band"]
    protection = {"method": "suppression", "minimum_count": 20, "suppression_limit": 0.5}
    dimensions = {"age_band": age_band}
    declare(policy_folder, sources=read, tables=PERSONS_BY_AGE, dimensions=dimensions, protection=protection, pins={})
    said = r"table 't' by 'age_band' joins 'locations' \(device\) and 'subscribers' \(member\) without.*2\(2\): “if, in comb"
    with pytest.raises(PolicyRefusal, match=said):
        allowed(policy_folder)


def test_clause_2_2_combination_of_rows(policy_folder):
    edit(policy_folder, "microdata/subscriber-profile.yaml", "[subscribers, links, clicks]", "[subscribers, clicks]")
    p = load_policies(policy_folder)
    with pytest.raises(PolicyRefusal, match=r"the attribute 'device' joins 'subscribers'.*2\(2\)"):
        check_microdata(p.rows("subscriber-profile"), p.policy, p.sources, p.links, p.recipients)


BROKER = """  data-broker:
    title: {{en: Data broker, ja: 名簿業者}}
    class: {party}
{more}    contact: desk@broker.example
"""


@pytest.mark.parametrize(
    ("party", "more", "said"),
    [
        pytest.param("shared_party", "    contract: X\n", "data-broker: the class shared_party is a closed list, and names no `member`: NTT", id="no member"),
        pytest.param("shared_party", "    contract: X\n    member: Data Broker Inc.\n", "'Data Broker Inc.' is none of them: NTT.* 3: “We may share", id="no such member"),
        pytest.param("shared_party", "    member: NTT DOCOMO INC.\n", "class shared_party needs a `contract`", id="a member without a contract"),
        pytest.param("third_party", "", "class third_party needs a `contract`", id="no contract"),
        pytest.param("third_party", "    contract: X\n    member: NTT DOCOMO INC.\n", "lists no members of the class third_party", id="a member of no list"),
    ],
)  # fmt: skip
def test_clause_3_shared_parties_are_a_closed_list(policy_folder, party, more, said):
    path = policy_folder / "recipients.yaml"
    path.write_text(path.read_text() + BROKER.format(party=party, more=more))
    with pytest.raises(DeclarationError, match=said):
        load_policies(policy_folder)


def test_clause_3_a_shared_party_gets_statistics(policy_folder):
    path = policy_folder / "recipients.yaml"
    member = "    contract: X\n    member: NTT DOCOMO INC.\n"
    path.write_text(path.read_text() + BROKER.format(party="shared_party", more=member))
    declare(policy_folder, recipient="data-broker")
    assert [clause.clause for clause in allowed(policy_folder)] == ["2(2)", "3", "2(1)(k)"]


def test_what_refuses_is_not_told_as_what_allows(policies):
    p = policies
    for release in p.releases.values():
        clauses = check_release(release, p.policy, p.sources, p.links, p.recipients)
        assert not [clause for clause in clauses if clause.text.startswith("We will not provide")]


def quoted(model):
    """Every quotation of a policy: where it stands, and its words."""
    for name, value in model:
        entries = value.items() if isinstance(value, dict) else [("", value)]
        yield from ((f"{name}.{key}", one.text) for key, one in entries if isinstance(one, Quoted))


def test_the_words_are_the_policys_own(policies):
    text = " ".join((policies.folder / "policy.txt").read_text(encoding="utf-8").split())
    found = dict(quoted(policies.policy))
    assert len(found) > 60
    for place, words in found.items():
        at = 0
        for part in words.split(" … "):
            at = text.find(" ".join(part.split()), at)
            assert at >= 0, place
    assert policies.policy.title in text


def test_another_text_is_refused(policy_folder):
    edit(policy_folder, "policy.txt", "third party", "fourth party")
    with pytest.raises(DeclarationError, match=r"policy\.txt has the digest [0-9a-f]{64}: it is another text"):
        load_policies(policy_folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("namespaces: [client]", "namespaces: [cookie]", "namespaces of more than one choice: ..cookie", id="twice"),
        pytest.param("namespaces: [client]", "namespaces: [clients]", "no choice of policy.yaml is made by ids of the namespace 'client'", id="nobody can choose"),
        pytest.param("namespaces: [client]", "namespaces: [client, phone]", "choices.analytics_opt_out.namespaces: no source has ids of 'phone'", id="of no source"),
    ],
)  # fmt: skip
def test_every_namespace_has_one_choice(policy_folder, old, new, said):
    edit(policy_folder, "policy.yaml", old, new)
    with pytest.raises(DeclarationError, match=said):
        load_policies(policy_folder)


def test_a_missing_class_is_told_in_the_files_own_words(policies):
    content = policies.policy.model_dump(mode="json", by_alias=True)
    del content["recipient_classes"]["person"]
    with pytest.raises(ValueError, match=re.escape("recipient classes missing: ['person']")):
        PolicyDocument.model_validate(content)


@pytest.fixture
def noren(policy_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("NOREN_POLICIES", str(policy_folder))
    monkeypatch.setenv("NOREN_HOME", str(tmp_path / "no-home"))
    return lambda *words: CliRunner().invoke(main, list(words))


def test_check_tells_what_allows_each_release_without_a_home(noren, policies):
    done = noren("check")
    assert done.exit_code == 0, done.output
    for name in (*policies.releases, *policies.microdata):
        assert f"{name}: allowed by" in done.output
    assert "2(1)(k): “Our use of or provision" in done.output


def test_check_tells_every_error_at_once(noren, policy_folder):
    declare(policy_folder, purpose="a")
    declare(policy_folder, name="wrong", purpose="profit", owner="data-engineering", recipient="nobody")
    done = noren("check")
    assert done.exit_code == 2
    for said in (
        "purpose: 'profit' is unknown", "recipient: 'nobody' is unknown",
        "release 'another', source 'service_usage': the purpose 'a' does not cover 'service_usage'",
        "release 'another', source 'subscribers': statistics of 'customer' for the purpose 'a' may not go to",
    ):  # fmt: skip
        assert said in done.output, done.output
    assert noren("check", "another").exit_code == 1
    assert noren("check", "web-audience").exit_code == 0
    assert "RecipientClass" not in done.output


def test_each_source_feeds_a_release_or_says_why_not(policies, noren, policy_folder):
    assert len(policies.sources) == 14
    assert [line for line in noren("check").output.splitlines() if line.startswith("source ")] == []
    edit(policy_folder, "sources/weblogs.yaml", "not_released: ", "# ")
    edit(policy_folder, "sources/searches.yaml", "format: tsv", "format: tsv\nnot_released: nobody asked")
    assert [line for line in noren("check").output.splitlines() if line.startswith("source ")] == [
        "source searches: `not_released` says why nothing reads it, and search-trends does",
        "source weblogs: no release reads it; say why in `not_released`, or collect it no longer",
    ]
    assert "| nothing: its file does not say why |" in noren("policy").output


def test_the_page_for_privacy_officers_is_what_the_policy_folder_says(policies, noren):
    assert (ROOT / "docs" / "for-privacy-officers.md").read_text(encoding="utf-8") == page(policies)
    assert noren("policy").output == page(policies)


def test_the_page_has_a_row_a_clause_and_each_has_a_test_named_after_it(policies):
    rows = lines(policies.policy)
    assert [row.clause[0] for row in rows] == sorted(row.clause[0] for row in rows)
    assert len(rows) > 60
    functions = {}
    for row in rows:
        file, _, test = shown_by(row.clause, row.declared).partition("::")
        function, _, case = test.partition("[")
        if file not in functions:
            tree = ast.parse((ROOT / file).read_text())
            functions[file] = {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
        assert function in functions[file], test
        clause = re.sub(r"\W+", "_", row.clause.split(",")[0]).strip("_")
        assert case.startswith(f"{row.clause} ") or f"_{clause}_" in function, (row.clause, test)

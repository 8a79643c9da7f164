"""A policy folder is loaded whole, or every fault is named: file, key, what is allowed."""

from __future__ import annotations

from datetime import date
from functools import partial

import pytest
import yaml
from harness.versions import two_versions

from anonymization.errors import DeclarationError, PolicyRefusal
from anonymization.policy.allowed import check_release
from anonymization.policy.decide import versions_in_force
from anonymization.policy.load import _content, _FastLoader, _Loader, load_policies

AUDIENCE, TRENDS, MEDIA = (f"releases/{name}.yaml" for name in ("monthly-audience", "search-trends", "media-and-ads"))
SHIPPED = 6


def edit(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_shipped_folder_loads(policies):
    assert sorted(policies.releases) == [
        "media-and-ads", "monthly-audience", "population-by-place", "search-trends", "service-usage", "web-audience",
    ]  # fmt: skip
    assert sorted(policies.sources) == [
        "analytics", "beacons", "clicks", "devices", "displays", "event_attendees", "inquiries", "links", "locations",
        "partner_sites", "searches", "service_usage", "subscribers", "weblogs",
    ]  # fmt: skip
    assert policies.release_errors == {}
    assert len(policies.digest) == 64


TEXTS = {
    "plain": "a: 1\nb: [x, y]\nc: {d: 2026-10-01, e: ~, f: 'ü', g: \"1\"}\n",
    "no text": "",
    "anchors": "a: &one {b: 1}\nc: *one\nd: {<<: *one, e: 2}\n",
    "a key twice": "a: 1\nb:\n  c: 1\n  c: 2\n",
    "a key that is a list": "? [a, b]\n: 1\n",
    "a Python object": "a: !!python/object:os.system b\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "an open quote": "a: 'b\n",
    "a tab": "a:\n\tb: 1\n",
    "a colon too many": "a: b: c\n",
    "an unknown anchor": "a: *two\n",
    "a control character": "a: \x01\n",
}


def by(loader, text):
    return yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader


def said(parser, text):
    """What a text says, or what is wrong with it, and in which line."""
    try:
        return parser(text)
    except (yaml.YAMLError, TypeError, DeclarationError) as error:
        mark = getattr(error, "problem_mark", None)
        return type(error), getattr(error, "problem", str(error)), mark and mark.line


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_both_parsers_say_the_same(text):
    assert said(_content, text) == said(partial(by, _Loader), text)


def test_the_shipped_files_say_the_same_to_both_parsers(policies):
    for path in policies.folder.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert by(_FastLoader, text) == by(_Loader, text)


def test_the_digest_follows_every_byte(policy_folder, policies):
    assert load_policies(policy_folder).digest == policies.digest
    edit(policy_folder, "recipients.yaml", "DATA-2026-001", "DATA-2026-009")
    assert load_policies(policy_folder).digest != policies.digest


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        pytest.param("sources/clicks.yaml", "format:", "formatt:", r"sources/clicks.yaml: formatt: unknown key.*'format'", id="unknown key"),
        pytest.param("sources/clicks.yaml", "json_lines", "xml", "sources/clicks.yaml: format: .*json_lines", id="unknown value"),
        pytest.param("sources/clicks.yaml", "Asia/Tokyo", "Asia/Tokio", "unknown time zone", id="unknown zone"),
        pytest.param("sources/clicks.yaml", "type: history", "type: secrets", "information_type: 'secrets' is unknown", id="unknown type"),
        pytest.param("sources/clicks.yaml", "purposes: [prov", "purposes: [a, prov", r"'a' \(2\(1\)\(a\)\) does not cover", id="purpose of another type"),
        pytest.param("sources/clicks.yaml", "codes: service", "codes: services", "no code list 'services'", id="unknown code list"),
        pytest.param("sources/clicks.yaml", "treatment: pseudonym", "treatment: integer", "an identifier is treated as", id="identifier kept"),
        pytest.param("sources/clicks.yaml", "source: clicks", "source: klicks", "named after its source", id="file name"),
        pytest.param("sources/clicks.yaml", "zone:", "format: csv\nzone:", "line .*: the key 'format' stands twice", id="key twice"),
        pytest.param("policy.yaml", "title: Privacy", "title: !!python/object:os.system Privacy", "policy.yaml.*not plain YAML", id="python object"),
        pytest.param("policy.yaml", "types: [security_camera]", "types: [camera]", "unknown information types", id="purpose of no type"),
        pytest.param("officers.yaml", "officers: {}", "officers: {a: {title: x, public_key: abc}}", "base64 of an Ed25519", id="no key"),
        pytest.param("links.yaml", "column: cookie_id", "column: cookie", "declares no columns", id="link without column"),
        pytest.param("sources/subscribers.yaml", "namespace: member", "namespace: cookie", "stock: who joins is not known of ids of 'cookie'", id="stock of linked ids"),
        pytest.param("codelists/service.csv", "code,label_en", "kode,label_en", r"codelists/service.csv: expected the columns", id="code list header"),
        pytest.param("codelists/service.csv", "mail,", "search,", "the code 'search' stands twice", id="code twice"),
        pytest.param("hierarchies/region.csv", "14;kanto", "14", "same number of levels", id="ragged hierarchy"),
        pytest.param("hierarchies/region.csv", "14;kanto", "13;kanto", "the value '13' stands twice", id="value twice"),
        pytest.param("hierarchies/region.csv", "14;kanto", "14;13", "different levels are different", id="code on two levels"),
    ],
)  # fmt: skip
def test_a_fault_is_named(policy_folder, file, old, new, message):
    edit(policy_folder, file, old, new)
    with pytest.raises(DeclarationError, match=message):
        load_policies(policy_folder)


def test_all_faults_are_told_at_once(policy_folder):
    edit(policy_folder, "sources/clicks.yaml", "format:", "formatt:")
    edit(policy_folder, "recipients.yaml", "contract:", "kontract:")
    with pytest.raises(DeclarationError) as caught:
        load_policies(policy_folder)
    assert "sources/clicks.yaml" in str(caught.value)
    assert "recipients.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [pytest.param(None, "missing", id="missing"), pytest.param(b"\xff\xfe", "not UTF-8", id="not UTF-8"), pytest.param(b"- a", "expected keys", id="a list")],
)  # fmt: skip
def test_a_file_that_is_none(policy_folder, content, message):
    (policy_folder / "links.yaml").unlink()
    if content is not None:
        (policy_folder / "links.yaml").write_bytes(content)
    with pytest.raises(DeclarationError, match=f"links.yaml: {message}"):
        load_policies(policy_folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("owner:", "ownr:", r"ownr: unknown key.*did you mean 'owner'", id="unknown key"),
        pytest.param("recipient: media-research", "recipient: nobody", "recipient: 'nobody' is unknown", id="unknown recipient"),
        pytest.param("purpose: statistical_information", "purpose: profit", "purpose: 'profit' is unknown", id="unknown purpose"),
        pytest.param("minimum_count: 10", "minimum_count: 5", "below the house rule, 10", id="below the house rule"),
        pytest.param("minimum_count: 10", "minimum_count: 10, established_days: 29", "nobody is seen on 29 days in a period of 28", id="more days than a month has"),
        pytest.param("column: service", "column: servce", "have no 'servce'", id="unknown column"),
        pytest.param("codelist: service", "codelist: services", "'services' is unknown", id="unknown code list"),
        pytest.param("hierarchy: region", "hierarchy: regions", "'regions' is unknown", id="unknown hierarchy"),
        pytest.param("policy_versions: [2018-02-01]", "policy_versions: [2018-02-02]", "2018-02-02 is none of", id="unknown version"),
        pytest.param("sources: [subscribers, links, clicks]", "sources: [links, clicks]", "`sources` omits", id="source not named"),
        pytest.param("dimensions: [region,", "dimensions: [area,", r"unknown dimensions \['area'\]", id="unknown dimension"),
    ],
)  # fmt: skip
def test_a_wrong_release_leaves_the_others(policy_folder, old, new, message):
    edit(policy_folder, AUDIENCE, old, new)
    loaded = load_policies(policy_folder)
    assert "monthly-audience" not in loaded.releases
    assert len(loaded.releases) == SHIPPED - 1
    with pytest.raises(DeclarationError, match=message):
        loaded.release("monthly-audience")


@pytest.mark.parametrize(
    ("column", "refused"),
    [
        pytest.param("service", False, id="held to a code list at the intake"),
        pytest.param("browser", False, id="families of a closed list"),
        pytest.param("ip_network", True, id="a network is somebody's"),
        pytest.param("ip_network\n    open: true", False, id="open: named from N persons on"),
    ],
)
def test_codes_that_no_list_has_are_named_from_n_persons_on_or_not_at_all(policy_folder, column, refused):
    release = MEDIA.replace("media-and-ads", "networks")
    text = (policy_folder / MEDIA).read_text().replace("release: media-and-ads", "release: networks")
    text = (
        text[: text.index("attributes:")].replace("[displays, links, subscribers]", "[clicks]")
        + f"""
dimensions:
  network:
    kind: event
    title: {{en: x, ja: x}}
    column: {column}
    levels: [network]
tables:
  t:
    title: {{en: x, ja: x}}
    dimensions: [network]
    measures:
      clickers: {{kind: persons, source: clicks, title: {{en: x, ja: x}}}}
protection: {{method: suppression, minimum_count: 10, suppression_limit: 0.5}}
"""
    )
    (policy_folder / release).write_text(text)
    loaded = load_policies(policy_folder)
    assert ("networks" in loaded.release_errors) is refused, loaded.release_errors
    if refused:
        assert "a code of a few persons would be a label" in loaded.release_errors["networks"]


def test_keywords_are_open_always(policy_folder):
    edit(policy_folder, TRENDS, "    open: true\n", "")
    with pytest.raises(DeclarationError, match="a code of a few persons would be a label"):
        load_policies(policy_folder).release("search-trends")


@pytest.mark.parametrize(
    "declared", [pytest.param("", id="by default"), pytest.param(", established_days: 2", id="as declared")]
)
def test_nobody_is_established_in_a_day(policy_folder, declared):
    edit(policy_folder, TRENDS, "period: month", "period: day")
    edit(policy_folder, TRENDS, "minimum_count: 50", f"minimum_count: 50{declared}")
    with pytest.raises(
        DeclarationError, match=r"seen on 2 days in a period of 1.*one person's many ids may name a code"
    ):
        load_policies(policy_folder).release("search-trends")
    edit(policy_folder, TRENDS, f"minimum_count: 50{declared}", "minimum_count: 50, established_days: 1")
    load_policies(policy_folder).release("search-trends")


def test_an_unknown_release_gets_a_hint(policies):
    with pytest.raises(DeclarationError, match="did you mean 'monthly-audience'"):
        policies.release("monthly-audence")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        pytest.param(AUDIENCE, "purpose: statistical_information", "purpose: a", r"'subscribers'.*may not go to.*2\(1\)\(a\)", id="purpose"),
        pytest.param(AUDIENCE, "purpose: statistical_information", "purpose: survey_and_analysis", "not collected for 'j'|may not go to", id="analysis is not provision"),
        pytest.param("sources/subscribers.yaml", "type: customer\npurposes: [a, i, j, k]", "type: applicant\npurposes: [u]", "does not cover 'applicant'", id="applicants"),
        pytest.param("recipients.yaml", "class: third_party\n    contract: DATA-2026-001", "class: person\n    contract: DATA-2026-001", "may not go to", id="a person as recipient"),
        pytest.param(AUDIENCE, "[subscribers, links, clicks]", "[subscribers, clicks]", "without a declared source of links.*in combination", id="undeclared join"),
    ],
)  # fmt: skip
def test_the_policy_refuses_a_release(policy_folder, file, old, new, message):
    edit(policy_folder, file, old, new)
    if "links," not in new and file == AUDIENCE and "sources" not in new and "[subscribers" in new:
        edit(policy_folder, AUDIENCE, "users: {kind: persons, source: links", "users: {kind: persons, source: clicks")
    p = load_policies(policy_folder)
    with pytest.raises(PolicyRefusal, match=message):
        check_release(p.release("monthly-audience"), p.policy, p.sources, p.links, p.recipients)


def test_versions_in_force(policy_folder):
    policy = load_policies(two_versions(policy_folder)).policy
    first, second = date(2018, 2, 1), date(2026, 10, 15)
    assert versions_in_force(policy, date(2026, 9, 1), date(2026, 9, 30)) == (first,)
    assert versions_in_force(policy, date(2026, 10, 1), date(2026, 10, 31)) == (first, second)
    assert versions_in_force(policy, second, date(2026, 10, 31)) == (second,)
    with pytest.raises(PolicyRefusal, match="before the policy's first version"):
        versions_in_force(policy, date(2018, 1, 31), date(2018, 2, 28))

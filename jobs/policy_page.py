"""The policy as a page for privacy officers: what each clause is declared as, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from anonymization.policy.decide import Permitted, Refused, decide, matrix
from anonymization.policy.grounds import Ground
from anonymization.policy.load import Policies
from anonymization.policy.model import (
    Kind,
    PolicyDocument,
    Purpose,
    Quoted,
    Recipient,
    RecipientClass,
    RequestKind,
    Stated,
)
from anonymization.policy.requests import documents_of
from anonymization.policy.sources import Source
from jobs.shown_by import shown_by

Key = TypeVar("Key", bound=str)
Entry = TypeVar("Entry", bound=Quoted)
KINDS = ("information_types", "purposes", "recipient_classes", "rules", "requests", "retention", "choices")
CARRIED_OUT = {
    RequestKind.DISCLOSURE: "All that is kept of the person, as JSON and CSV for the handler alone.",
    RequestKind.CORRECTION: "The value is another one in the person's raw rows, and in what is made of them.",
    RequestKind.ADDITION: "The value is set where it is missing in the person's raw rows, and in what is made of them.",
    RequestKind.DISCONTINUATION: "The person is dropped at intake, and left out of whatever is built afterwards.",
    RequestKind.DELETION: (
        "Raw rows, events and rejected lines of the person, and of every id that a log links to her, are erased; the"
        " choice not to be taken in stays."
    ),
    RequestKind.CEASE_PROVISION: (
        "The person is left out of whatever is built afterwards, inside too: beside what is outside it would tell of"
        " her."
    ),
}
"""What `noren request complete` does."""
HEAD = """# For privacy officers

What the policy says, clause by clause: how it is declared in `policies/`, what that does, and the test that shows it.
`noren policy` prints this page of the policy folder it is given; `noren check` tells which clauses allow each release.
"""


class Line(NamedTuple):
    """A row of the table: what a clause is declared as, its words, and what it does."""

    clause: str
    declared: str
    text: str
    effect: str


def page(policies: Policies) -> str:
    """Return the page, as Markdown."""
    policy = policies.policy
    in_force = "; ".join(f"{version.title}, in force from {version.effective}" for version in policy.versions)
    words = f"Its words: `policies/{policy.text.file}`, SHA-256 `{policy.text.sha256}`."
    house = "\n".join(
        ["## House rules", "", "Stricter than the policy, and never quoted as its clauses.", "", *_house_rules(policy)]
    )
    head = f"**{policy.title}.** {in_force}. {words}"
    parts = (HEAD.strip(), head, *_earlier(policy), _clauses(policy), house, *_parties(policies))
    return "\n\n".join([*parts, *(_matrix(policy, kind) for kind in Kind)]) + "\n"


def _earlier(policy: PolicyDocument) -> Iterator[str]:
    """What versions before the last said otherwise, by which what was collected under them is judged."""
    for version in policy.versions:
        if version.stated is not None:
            text = version.stated.text
            differ = ", ".join(f"`{one}`" for one in differing(policy, version.stated)) or "nothing"
            yield (
                f"What was collected from {version.effective} on, until the next version, is judged by what that one"
                f" said (`policies/{text.file}`, SHA-256 `{text.sha256}`). The last one says otherwise of: {differ}."
            )


def differing(policy: Stated, other: Stated) -> list[str]:
    """Return what two versions do not say alike, as it is declared."""
    return [
        f"{section}.{name}"
        for section in Stated.model_fields
        for mine, theirs in [(getattr(policy, section), getattr(other, section))]
        for name in {**theirs, **mine}
        if mine.get(name) != theirs.get(name)
    ]


def lines(policy: PolicyDocument) -> list[Line]:
    """Return a line each entry of the policy, in the order of its clauses."""
    found = [
        *_lines(policy.information_types, "information_types", lambda name, _: _of_type(policy, name)),
        *_lines(policy.purposes, "purposes", lambda _, one: _of_purpose(one)),
        *_lines(policy.recipient_classes, "recipient_classes", lambda name, _: _of_party(policy, name)),
        *_lines(policy.rules, "rules", lambda _, one: one.effect),
        *_lines(
            policy.requests, "requests",
            lambda kind, one: f"{CARRIED_OUT[kind]} By {', '.join(documents_of(one, proxy=False))}, by a proxy also"
            f" {one.proxy_form}" + ("; a fee is charged." if one.fee else "."),
        ),
        *_lines(
            {"": policy.retention}, "retention",
            lambda _, one: f"Kept for {one.years_after_fiscal_year} year from the end of the fiscal year, which"
            f" begins on {one.fiscal_year_starts}, in which the request was answered;"
            " then `noren request sweep` removes them.",
        ),
        *_lines(
            policy.choices, "choices",
            lambda _, one: f"{one.house_rule} By ids of: {', '.join(one.namespaces)}"
            + (", and whatever a log links to one." if one.covers_linked else "."),
        ),
    ]  # fmt: skip
    return sorted(found, key=lambda line: _place(line.clause, line.declared.partition(".")[0]))


def _lines(entries: Mapping[Key, Entry], of: str, effect: Callable[[Key, Entry], str]) -> Iterator[Line]:
    for name, one in entries.items():
        text = one.text if one.ja is None else f"{one.text} ({one.ja})"
        yield Line(one.clause, f"{of}.{name}".rstrip("."), text, effect(name, one))


def _clauses(policy: PolicyDocument) -> str:
    rows = ["## Clause by clause", "", "| clause | says | declared as | does | shown by |", "|---|---|---|---|---|"]
    for line in lines(policy):
        shown = shown_by(line.clause, line.declared).partition("/")[2]
        rows.append(
            f"| {line.clause} | “{line.text.strip()}” | `{line.declared}` | {line.effect.strip()} | `{shown}` |"
        )
    return "\n".join(rows)


def _place(clause: str, of: str) -> tuple[int, int, int]:
    """Where a clause stands: in 2 the types of information before the purposes, as in the text."""
    first = clause.split(",", maxsplit=1)[0]
    head, rest = first[0], first[1:]
    return int(head), 1 if rest.startswith("(2)") else 0, KINDS.index(of)


def _of_type(policy: PolicyDocument, name: str) -> str:
    purposes = {n: p for n, p in policy.purposes.items() if name in p.types}
    prepares = [n for n, p in purposes.items() if p.prepares_statistics]
    if not prepares:
        return f"For {', '.join(purposes)} alone; never statistics."
    provides = [n for n, p in purposes.items() if p.provides_statistics]
    return f"For {', '.join(purposes)}. Statistics inside for each; outside by {', '.join(provides) or 'none'}."


def _of_purpose(purpose: Purpose) -> str:
    if purpose.provides_statistics:
        return "Statistics may be prepared, used and provided outside."
    return "Statistics may be prepared and used inside." if purpose.prepares_statistics else "Use inside alone."


def _of_party(policy: PolicyDocument, name: RecipientClass) -> str:
    party = policy.recipient_classes[name]
    may = [f"personal information ({party.personal_information})"] if party.personal_information else []
    may += [f"user information ({party.user_information})"] if party.user_information else []
    may += ["statistics"] if party.statistics_of else []
    told = f"By the policy: {', '.join(may)}."
    told += f" One of {len(party.members)}: {'; '.join(party.members)}." if party.members else ""
    return told + (" On a contract." if party.needs_contract else "")


def _house_rules(policy: PolicyDocument) -> Iterator[str]:
    rules = policy.house_rules
    for rule in (rules.only_statistics_leave, rules.k_anonymous_rows_stay_inside, rules.pseudonymous_is_personal):
        yield f"- {rule.text}"
    counts = rules.minimum_publishable_counts
    by_type = "".join(f", {least} of {of}" for of, least in counts.by_type.items())
    by_type += f", {counts.search_keywords} of a search keyword"
    yield f"- Nothing is published of fewer than {counts.default} persons{by_type}."
    if rules.erasure is not None:
        yield f"- {rules.erasure.text} ({rules.erasure.after_months} months.)"
    if rules.requests is not None:
        days = f"{rules.requests.within_days} and {rules.requests.disclosure_kept_days} days"
        yield f"- {rules.requests.text} ({days}.)"
    if rules.privacy_budget is not None:
        budget = rules.privacy_budget
        spent = f"rho {budget.rho:f} and delta {budget.delta:f}"
        yield f"- Of differential privacy, {spent} may be spent on a source and month, over all recipients."


def _parties(policies: Policies) -> Iterator[str]:
    """What is collected and for what, who receives, and who may approve."""
    yield _table(
        "What is collected, and for what",
        ("source", "title", "information", "purposes", "read by"),
        [
            (s.source, s.title.en, s.information_type, ", ".join(s.purposes), _read_by(policies, s))
            for s in policies.sources.values()
        ],
    )
    yield _table(
        "Who receives",
        ("recipient", "title", "class", "contract", "contact"),
        [
            (name, one.title.en, _class_of(one), one.contract or "none needed", one.contact)
            for name, one in policies.recipients.items()
        ],
    )
    if policies.policy.grounds:
        yield _table(
            "Clause 3's exceptions",
            ("ground", "record", "scope", "since", "until", "to", "of", "for", "by the policy"),
            [
                (
                    f"{name}: {one.kind.value}",
                    one.reference,
                    one.scope,
                    str(one.since),
                    "it is taken back" if one.until is None else str(one.until),
                    ", ".join(one.recipients),
                    ", ".join(one.information_types),
                    ", ".join(one.purposes),
                    _by_ground(policies, one),
                )
                for name, one in policies.policy.grounds.items()
            ],
        )
    yield _table(
        "Who may approve",
        ("officer", "title", "decides by"),
        [
            (
                name,
                one.title,
                f"a signature, key {one.public_key}" if one.public_key else f"Airflow, as {one.airflow_user}",
            )
            for name, one in policies.officers.items()
        ],
    )


def _by_ground(policies: Policies, ground: Ground) -> str:
    """What a ground allows that nothing else does, and what the house makes of it."""
    decisions = [
        decide(
            policies.policy,
            Kind.PERSONAL_INFORMATION,
            ground.information_types,
            purpose,
            policies.recipients[recipient].recipient_class,
            grounds=(ground,),
        )
        for recipient in ground.recipients
        for purpose in ground.purposes
    ]
    house = {decision.reason.partition(";")[0] for decision in decisions if isinstance(decision, Refused)}
    clause = policies.policy.recipient_classes[RecipientClass.THIRD_PARTY].clause
    return f"allowed ({clause})" + (f"; not used: {', '.join(sorted(house))}" if house else "")


def _read_by(policies: Policies, source: Source) -> str:
    return (
        ", ".join(policies.readers(source.source)) or f"nothing: {source.not_released or 'its file does not say why'}"
    )


def _class_of(recipient: Recipient) -> str:
    named = "" if recipient.member is None else f" ({recipient.member})"
    return f"{recipient.recipient_class.value}{named}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)] if rows else [head[0], "", "Nobody yet."])


def _matrix(policy: PolicyDocument, kind: Kind) -> str:
    classes = [one.value.replace("_", " ") for one in RecipientClass]
    rows = [
        f"## {kind.value.replace('_', ' ').capitalize()}: to whom, for what",
        "",
        f"| information | purpose | {' | '.join(classes)} |",
        "|---|---|" + "---|" * len(classes),
    ]
    for row in matrix(policy, kind):
        cells = [
            "allowed" if isinstance(decision, Permitted) else f"no: {'; '.join(c.clause for c in decision.clauses)}"
            for decision in row.decisions.values()
        ]
        if "allowed" in cells:
            purpose = policy.purposes[row.purpose]
            rows.append(f"| {row.information_type} | {row.purpose}: {purpose.clause} | {' | '.join(cells)} |")
    return "\n".join([*rows, "", "What has no row goes to nobody. After `no:` stand the clauses that say so."])

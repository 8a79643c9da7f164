"""The privacy policy as a value, and who receives and who approves.

Every entry of the policy carries the clause of the text it encodes; a house rule carries none.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from anonymization.policy.declared import Declared, Name, Slug, Text
from anonymization.policy.grounds import Ground


class Kind(StrEnum):
    """What leaves."""

    PERSONAL_INFORMATION = "personal_information"
    USER_INFORMATION = "user_information"
    """Row-level information of users, pseudonymous or k-anonymous."""
    STATISTICS = "statistics"


class RecipientClass(StrEnum):
    """To whom it goes, in the policy's terms."""

    INTERNAL = "internal"
    OUTSOURCEE = "outsourcee"
    SHARED_PARTY = "shared_party"
    BUSINESS_PARTNER = "business_partner"
    THIRD_PARTY = "third_party"
    PERSON = "person"


class RequestKind(StrEnum):
    """What a person may request (clause 4)."""

    DISCLOSURE = "disclosure"
    """All that is kept of the person, to whoever handles the request."""
    CORRECTION = "correction"
    """A value of the person's rows is another one."""
    ADDITION = "addition"
    """A value of the person's rows that is missing is there."""
    DISCONTINUATION = "discontinuation"
    """Nothing of the person is used in what is made from now on."""
    DELETION = "deletion"
    """The person's rows are erased, too."""
    CEASE_PROVISION = "cease_provision"
    """Nothing about the person goes to anybody."""


class InformationClass(StrEnum):
    """How the policy classes a type of information."""

    PERSONAL = "personal"
    USER_INFORMATION = "user_information"


class PolicyText(Declared):
    """Where the policy's own words stand: every quotation is checked against them."""

    file: Literal["policy.txt"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Quoted(Declared):
    """What the policy says, with its clause; ` … ` marks words that are left out."""

    clause: str
    text: str
    ja: str | None = None
    """The same words of the Japanese original, where it can be had."""


class InformationType(Quoted):
    """A type of information, with the clause that names it."""

    information_class: InformationClass = Field(alias="class")


class Purpose(Quoted):
    """A purpose of use: its text, the types it covers, and what it is of the statistics that the policy allows."""

    types: tuple[Name, ...]
    prepares_statistics: bool = False
    """Whether it is the preparation or use of statistical material."""
    provides_statistics: bool = False
    """Whether it is the provision of statistical material to a third party."""


class Party(Quoted):
    """A class of recipients: what the policy lets it have, with the clause."""

    personal_information: str | None = None
    """The clause that lets it have personal information within the purposes; none where there is none."""
    user_information: str | None = None
    """The clause that lets it have user information, row by row, within the purposes of 2(2)."""
    statistics_of: tuple[InformationClass, ...] = ()
    """Of which classes of information it may have statistics (by the purposes that provide or prepare them)."""
    members: tuple[str, ...] = ()
    """The parties by name, where the policy names them: nobody else is one."""
    needs_contract: bool = False
    """Whether a recipient stands on a contract (a house rule)."""


class Stated(Declared):
    """What a version of the policy says of what may go to whom, and for what."""

    information_types: dict[Name, InformationType]
    purposes: dict[Name, Purpose]
    recipient_classes: dict[RecipientClass, Party]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for name, purpose in self.purposes.items():
            unknown = sorted(set(purpose.types) - set(self.information_types))
            if unknown:
                raise ValueError(f"purpose {name!r} covers unknown information types {unknown}")
        missing = sorted(one.value for one in set(RecipientClass) - set(self.recipient_classes))
        if missing:
            raise ValueError(f"recipient classes missing: {missing}")
        return self


class EarlierText(Declared):
    """Where the words of a version stand that is not in force any more."""

    file: str = Field(pattern=r"^policy-\d{4}-\d{2}-\d{2}\.txt$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Earlier(Stated):
    """What a version said that is not in force any more: events that were collected under it are judged by it."""

    text: EarlierText


class Version(Declared):
    """A version of the policy: in force from its day until the next one's."""

    effective: date
    title: str
    stated: Earlier | None = None
    """What it said; of the last one, which is in force, the file says it."""


class RequestForms(Quoted):
    """The forms that a request of a person takes, and whether a fee is charged."""

    form: str
    proxy_form: str
    annexes: tuple[str, ...] = ()
    fee: bool = False


class Rule(Quoted):
    """A rule of the policy beside its purposes and recipients."""

    effect: str
    """What the house does by it: in the words of the page for privacy officers."""


class Choice(Quoted):
    """A choice of a person, and by which ids it is made. It takes effect in whatever is built afterwards."""

    namespaces: tuple[Name, ...] = Field(min_length=1)
    """Of ids by which it is made."""
    covers_linked: bool = False
    """Whether it covers every id, too, that a log of links names together with the one that chose."""
    house_rule: str


class Retention(Quoted):
    """How long what a request brought is kept."""

    years_after_fiscal_year: int = Field(ge=0, le=100)
    fiscal_year_starts: str = Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])$")


class HouseRule(Declared):
    """A rule of our own, stricter than the policy; it is quoted as a house rule, never as a clause."""

    text: str


class MinimumCounts(Declared):
    """The minimum publishable counts of distinct persons (a house rule)."""

    default: int = Field(ge=2)
    by_type: dict[Name, int] = Field(default_factory=dict)
    search_keywords: int = Field(ge=2)


class PrivacyBudget(Declared):
    """What may be spent on one source and month, over all recipients: they can put releases together."""

    rho: Decimal = Field(gt=0, max_digits=20)
    """Zero-concentrated differential privacy; epsilon of Laplace noise counts as epsilon**2 / 2."""
    delta: Decimal = Field(gt=0, lt=1, max_digits=40)
    """Of the selection of classes, on top of it."""


class Erasure(HouseRule):
    """When what is personal is erased (a house rule)."""

    after_months: int = Field(ge=1, le=1200)
    """Whole months from the end of the month in which it arrived, or which it is about."""


class Answering(HouseRule):
    """By when a person's request is answered, and how long a disclosure is kept (a house rule)."""

    within_days: int = Field(ge=1, le=365)
    """From the day on which the request came."""
    disclosure_kept_days: int = Field(ge=1, le=365)
    """From the day on which it was made: after that it is removed, whether it was handed over or not."""


class HouseRules(Declared):
    """The house's own rules."""

    only_statistics_leave: HouseRule
    k_anonymous_rows_stay_inside: HouseRule
    pseudonymous_is_personal: HouseRule
    minimum_publishable_counts: MinimumCounts
    privacy_budget: PrivacyBudget | None = None
    erasure: Erasure | None = None
    requests: Answering | None = None


class PolicyDocument(Stated):
    """The whole of `policy.yaml`: what the version says that is in force, and what earlier ones said."""

    title: str
    text: PolicyText
    versions: tuple[Version, ...] = Field(min_length=1)
    rules: dict[Name, Rule]
    requests: dict[RequestKind, RequestForms]
    retention: Retention
    choices: dict[Name, Choice]
    house_rules: HouseRules
    grounds: dict[Name, Ground] = Field(default_factory=dict)
    """Clause 3's exceptions, as they were recorded."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown_forms = sorted(one.value for one in set(RequestKind) - set(self.requests))
        if unknown_forms:
            raise ValueError(f"requests missing: {unknown_forms}: a person may make each of them")
        if "combination" not in self.rules:
            raise ValueError("`rules` states `combination`: a refusal to join persons quotes it")
        days = [version.effective for version in self.versions]
        if days != sorted(set(days)):
            raise ValueError("versions stand in order of their effective days, each day once")
        _check_stated(self.versions)
        for name, ground in self.grounds.items():
            _check_ground(f"ground {name!r}", ground, self)
        chosen = [namespace for choice in self.choices.values() for namespace in choice.namespaces]
        doubles = sorted({namespace for namespace in chosen if chosen.count(namespace) > 1})
        if doubles:
            raise ValueError(f"namespaces of more than one choice: {doubles}")
        return self

    def choice_by(self, namespace: str) -> Choice | None:
        """Return the choice that is made by ids of a namespace, if one is."""
        return next((choice for choice in self.choices.values() if namespace in choice.namespaces), None)

    @property
    def covering(self) -> frozenset[str]:
        """The namespaces of choices that cover linked ids, too."""
        covering = (choice for choice in self.choices.values() if choice.covers_linked)
        return frozenset(namespace for choice in covering for namespace in choice.namespaces)

    @property
    def first_day(self) -> date:
        """The day on which the first version came into force."""
        return self.versions[0].effective

    def as_of(self, version: Version) -> PolicyDocument:
        """Return the policy with what a version of it says of what may go to whom."""
        if version.stated is None:
            return self
        return self.model_copy(update={name: getattr(version.stated, name) for name in Stated.model_fields})

    @property
    def ever(self) -> tuple[PolicyDocument, ...]:
        """The policy as of each version, the one in force last."""
        return tuple(map(self.as_of, self.versions))

    def minimum_count(self, types: tuple[str, ...]) -> int:
        """Return the house's minimum publishable count for a release that reads these information types."""
        rule = self.house_rules.minimum_publishable_counts
        return max([rule.default, *(rule.by_type.get(kind, 0) for kind in types)])


def _check_stated(versions: tuple[Version, ...]) -> None:
    """Check that each version but the last says what it said, and has words of its own."""
    *earlier, last = versions
    if last.stated is not None:
        raise ValueError(f"versions: the last, of {last.effective}, is what the file says; leave its `stated` out")
    for version in earlier:
        own = f"policy-{version.effective}.txt"
        if version.stated is None:
            wanted = ", ".join(sorted(Earlier.model_fields))
            raise ValueError(
                f"versions: that of {version.effective} is not the last; `stated` says what it said: {wanted}"
            )
        if version.stated.text.file != own:
            raise ValueError(f"versions: the words of that of {version.effective} stand in {own}")


def _check_ground(what: str, ground: Ground, policy: PolicyDocument) -> None:
    """Check that what a ground is about is personal information, and purposes that cover it."""
    for name in ground.information_types:
        declared = policy.information_types.get(name)
        personal = [
            n for n, one in policy.information_types.items() if one.information_class is InformationClass.PERSONAL
        ]
        if declared is None or name not in personal:
            said = "unknown" if declared is None else "no personal information, which clause 3's exceptions are about"
            raise ValueError(f"{what}: the information type {name!r} is {said}; allowed: {personal}")
        for purpose in ground.purposes:
            if purpose not in policy.purposes:
                raise ValueError(f"{what}: the purpose {purpose!r} is unknown; known: {sorted(policy.purposes)}")
            if name not in policy.purposes[purpose].types:
                raise ValueError(f"{what}: the purpose {purpose!r} does not cover {name!r}")


class LinkEnd(Declared):
    """One end of a link: the column that holds the id, and its namespace."""

    namespace: Name
    column: Name


class Link(Declared):
    """A log that proves which member a cookie or client id belongs to."""

    source: Name
    from_: LinkEnd = Field(alias="from")
    to: LinkEnd


class Links(Declared):
    """The whole of `links.yaml`."""

    links: tuple[Link, ...]


class Recipient(Declared):
    """Who receives: its class, the contract it stands on, and a contact by role."""

    title: Text
    recipient_class: RecipientClass = Field(alias="class")
    member: str | None = None
    """Which of the parties it is, where the policy names those of its class."""
    contract: str | None = Field(default=None, min_length=1)
    contact: str


class Recipients(Declared):
    """The whole of `recipients.yaml`."""

    recipients: dict[Slug, Recipient]


class Officer(Declared):
    """A privacy officer who may approve, in one of two ways.

    Attributes:
        public_key: signs by `noren approve`: an Ed25519 public key, base64 of its 32 bytes.
        airflow_user: answers in Airflow's page, logged in by this name.
    """

    title: str
    public_key: str | None = None
    airflow_user: str | None = Field(default=None, min_length=1)

    @field_validator("public_key")
    @classmethod
    def _is_a_key(cls, text: str | None) -> str | None:
        import base64  # noqa: PLC0415 - only here

        if text is None:
            return None
        try:
            size = len(base64.b64decode(text, validate=True))
        except ValueError:
            size = 0
        if size != 32:  # noqa: PLR2004 - the size of an Ed25519 public key
            raise ValueError("a public key is the base64 of an Ed25519 key's 32 bytes")
        return text

    @model_validator(mode="after")
    def _decides_in_one_way(self) -> Officer:
        if (self.public_key is None) == (self.airflow_user is None):
            raise ValueError("an officer has a public_key (signs) or an airflow_user (answers in Airflow), not both")
        return self


class Officers(Declared):
    """The whole of `officers.yaml`."""

    officers: dict[Slug, Officer]

    @model_validator(mode="after")
    def _one_officer_a_login(self) -> Officers:
        logins = [one.airflow_user for one in self.officers.values() if one.airflow_user is not None]
        if len(set(logins)) < len(logins):
            raise ValueError("two officers have the same airflow_user")
        return self

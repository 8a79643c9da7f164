"""What a source declares: its format, time, persons, and every column's role and treatment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from anonymization.policy.declared import Declared, Name, Text

UNKNOWN = "unknown"
"""The code of what a log does not say."""
LARGEST = 10**12
"""The greatest figure of any column: of nine million such, the sum is still a whole number to every engine."""
NOT_SPECIFIED = "_X"
"""SDMX's code for what is not specified: no search keyword, or one that held personal data."""


class Format(StrEnum):
    """How a log file is laid out; text formats may be gzip-compressed (by the suffix `.gz`)."""

    JSON_LINES = "json_lines"
    CSV = "csv"
    """With a header; quoted as in RFC 4180."""
    TSV = "tsv"
    """With a header; tabs stand between fields and in none, and nothing is quoted."""
    PARQUET = "parquet"
    COMBINED_LOG = "combined_log"


class Encoding(StrEnum):
    """How a text log's characters are encoded."""

    UTF_8 = "utf-8"
    """A byte-order mark at the start is read over."""
    SHIFT_JIS = "shift_jis"
    """As Windows writes it (code page 932)."""


class TimeEncoding(StrEnum):
    """How the time column says when."""

    ISO8601 = "iso8601"
    """Date, time and offset: `2026-10-03T12:34:56+09:00`; without offset the row is quarantined."""
    DATE = "date"
    """A calendar date `YYYY-MM-DD` in the source's zone (for snapshots)."""
    TIMESTAMP = "timestamp"
    """A typed Parquet timestamp with time zone (an instant); one without where `clock: wall` says so."""
    COMMON_LOG = "common_log"
    """The Apache form `17/May/2015:10:05:03 +0000`."""
    EPOCH_SECONDS = "epoch_seconds"
    """Whole seconds since 1970-01-01T00:00:00Z."""
    EPOCH_MILLISECONDS = "epoch_milliseconds"


class Clock(StrEnum):
    """Which clock a written time was read from."""

    INSTANT = "instant"
    """The offset that is written is true; a time without one is quarantined."""
    WALL = "wall"
    """The wall clock of the source's zone, whatever offset is written, if any: for logs whose `Z` is wrong."""


class Role(StrEnum):
    """What a column is to a person, in the field's words."""

    TIME = "time"
    IDENTIFIER = "identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    ATTRIBUTE = "attribute"


class Treatment(StrEnum):
    """What intake does to a column; nothing else reaches an event."""

    TIME = "time"
    """Becomes `day` (days since 1970-01-01) and `hour` (0-23), both in the source's zone."""
    PSEUDONYM = "pseudonym"
    """Becomes the person's keyed 60-bit pseudonym."""
    DROP = "drop"
    """Is read by nothing."""
    CODE = "code"
    """Kept, if it is a code of the code list that `codes` names; else the row is quarantined."""
    INTEGER = "integer"
    """Kept as an integer from 0 to `most`; else the row is quarantined."""
    IP_NETWORK = "ip_network"
    """IPv4 to its /24, IPv6 to its /48."""
    USER_AGENT = "user_agent"
    """Becomes `browser`, `os` and `device` families; a crawler is set apart."""
    URL_PATH = "url_path"
    """The path of a URL or request target, without query, fragment and parts that may be a person's."""
    HOST = "host"
    """The host of a URL, lower-cased, without port and labels that may be a person's."""
    LATITUDE = "latitude"
    """With the column treated as `longitude`: becomes `mesh` (JIS X 0410 half mesh, 500 m)."""
    LONGITUDE = "longitude"
    AGE_BAND = "age_band"
    """A date of birth becomes the ten-year age band on the event's day."""
    PREFECTURE = "prefecture"
    """A Japanese postal address becomes its prefecture's JIS X 0401 code."""
    KEYWORD = "keyword"
    """A search keyword, normalized (NFKC, case-folded); one that holds personal data becomes `_X` as a whole."""
    DEVICE_MODEL = "device_model"
    """A terminal's model becomes `maker` and `family`, of closed lists."""
    VERSION = "version"
    """A version text becomes its major number, three digits at most."""


PRODUCES: dict[Treatment, tuple[str, ...]] = {
    Treatment.TIME: ("day", "hour"),
    Treatment.PSEUDONYM: (),
    Treatment.DROP: (),
    Treatment.USER_AGENT: ("browser", "os", "device"),
    Treatment.LATITUDE: ("mesh",),
    Treatment.LONGITUDE: (),
    Treatment.DEVICE_MODEL: ("maker", "family"),
}
"""Event columns that a treatment makes; every other treatment makes one, named by `into`."""


class Column(Declared):
    """One column of a log."""

    role: Role
    treatment: Treatment
    into: Name | None = None
    codes: Name | None = None
    unlisted: str | None = None
    """The code that stands for whatever the code list does not have; without it such a row is quarantined."""
    most: int | None = Field(default=None, gt=0, le=LARGEST)
    """The greatest figure of a column treated as `integer`; a row with a greater one is quarantined."""
    optional: bool = False
    """Whether a row may leave it empty (the event then says `unknown`, or null for an integer)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.treatment is Treatment.CODE) != (self.codes is not None):
            raise ValueError("`codes` names the code list of a column treated as `code`, and only there")
        if self.most is not None and self.treatment is not Treatment.INTEGER:
            raise ValueError("`most` is the greatest figure of a column treated as `integer`")
        if self.unlisted is not None and self.codes is None:
            raise ValueError("`unlisted` is a code of the code list that `codes` names")
        if (self.role is Role.IDENTIFIER) and self.treatment not in (Treatment.PSEUDONYM, Treatment.DROP):
            raise ValueError("an identifier is treated as `pseudonym` or `drop`, nothing else")
        if (self.role is Role.TIME) != (self.treatment is Treatment.TIME):
            raise ValueError("the role `time` and the treatment `time` go together")
        if self.into is not None and self.treatment in PRODUCES:
            raise ValueError(f"the treatment `{self.treatment}` names its own event columns")
        return self


class TimeColumn(Declared):
    """Which column says when, and how."""

    column: Name
    encoding: TimeEncoding
    clock: Clock = Clock.INSTANT

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.clock is Clock.WALL and self.encoding not in (TimeEncoding.ISO8601, TimeEncoding.TIMESTAMP):
            raise ValueError(
                "`clock: wall` belongs to the encodings `iso8601` and `timestamp`; every other encoding says its offset"
            )
        return self


class IdForm(StrEnum):
    """What an id of a namespace is."""

    TEXT = "text"
    """Any text."""
    DIGITS = "digits"
    """Digits alone."""
    ADDRESS = "address"
    """A network address, by RFC 5952, or the name of a host."""


class Case(StrEnum):
    """Whether ids that differ by case alone are one."""

    KEEP = "keep"
    FOLD = "fold"


@dataclass(frozen=True)
class Spelling:
    """How ids of a namespace are spelt."""

    form: IdForm = IdForm.TEXT
    case: Case = Case.KEEP


class PersonColumn(Declared):
    """A column that tells persons apart within a namespace (`member`, `cookie`, `address`).

    `form` and `case` hold for the namespace, in whatever source; one of them says so.
    """

    column: Name
    namespace: Name
    form: IdForm | None = None
    case: Case | None = None


def spellings(sources: Iterable[Source]) -> dict[str, Spelling]:
    """Return how ids of each namespace are spelt of which a source says so.

    Raises:
        ValueError: two sources say it differently.
    """
    said: dict[tuple[str, str], tuple[str, IdForm | Case]] = {}
    for source in sources:
        for person in source.persons:
            for what, how in (("form", person.form), ("case", person.case)):
                if how is None:
                    continue
                first, before = said.setdefault((person.namespace, what), (source.source, how))
                if before is not how:
                    raise ValueError(
                        f"the {what} of ids of {person.namespace!r} is {before} in sources/{first}.yaml and {how} in"
                        f" sources/{source.source}.yaml; a namespace has one"
                    )
    forms = {namespace: IdForm(how) for (namespace, what), (_, how) in said.items() if what == "form"}
    cases = {namespace: Case(how) for (namespace, what), (_, how) in said.items() if what == "case"}
    return {
        namespace: Spelling(forms.get(namespace, IdForm.TEXT), cases.get(namespace, Case.KEEP))
        for namespace in {*forms, *cases}
    }


class Arrives(StrEnum):
    """How often logs of a source come."""

    DAILY = "daily"
    """Every day has some; of one that has none, or far fewer than usual, logs are missing."""
    MONTHLY = "monthly"
    """A snapshot a month: every month has some."""
    IRREGULARLY = "irregularly"
    """Nobody knows: a day without any is a day on which nothing happened."""


class Source(Declared):
    """One log: `policies/sources/<name>.yaml`.

    An event of the source has the columns `p` (the pseudonym; null for a crawler), `day`, `hour` and what
    the treatments of `columns` produce.
    """

    source: Name
    title: Text
    information_type: Name
    purposes: tuple[Name, ...] = Field(min_length=1)
    """Why the log was collected; ids of the policy's purposes."""
    not_released: str | None = Field(default=None, min_length=1)
    """Why no release reads the log, where none does; `noren check` tells of one that says nothing."""
    format: Format
    encoding: Encoding = Encoding.UTF_8
    arrives: Arrives = Arrives.DAILY
    stock: bool = False
    """Whether it tells of nearly the same persons month after month, as a list of subscribers does: then who came, went
    or moved between two months is noted, and what the months tell together is held to the threshold."""
    zone: str
    time: TimeColumn
    persons: tuple[PersonColumn, ...] = Field(min_length=1)
    """In order of preference: the first that is not empty says who the person is."""
    columns: dict[Name, Column]

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"unknown time zone {zone!r}; use an IANA name such as Asia/Tokyo") from None
        return zone

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        times = [name for name, column in self.columns.items() if column.role is Role.TIME]
        if times != [self.time.column]:
            raise ValueError(f"exactly the column {self.time.column!r} has the role `time`; found {times}")
        for person in self.persons:
            column = self.columns.get(person.column)
            if column is None or column.treatment is not Treatment.PSEUDONYM:
                raise ValueError(f"the person column {person.column!r} is declared with treatment `pseudonym`")
        if self.stock and self.time.encoding is not TimeEncoding.DATE:
            raise ValueError("a `stock` is a snapshot, whose time is a `date`")
        if self.encoding is not Encoding.UTF_8 and self.format is Format.PARQUET:
            raise ValueError("a Parquet file has no `encoding`: its texts are UTF-8")
        halves = [
            sum(c.treatment is t for c in self.columns.values()) for t in (Treatment.LATITUDE, Treatment.LONGITUDE)
        ]
        if halves not in ([0, 0], [1, 1]):
            raise ValueError("a latitude and a longitude column go together, one of each")
        if sum(column.treatment is Treatment.KEYWORD for column in self.columns.values()) > 1:
            raise ValueError("one column is treated as `keyword`, at most")
        names = [name for column in self.event_columns.values() for name in column]
        doubles = sorted({name for name in names if names.count(name) > 1 or name == "p"})
        if doubles:
            raise ValueError(f"event columns made twice: {doubles}")
        return self

    @property
    def event_columns(self) -> dict[str, tuple[str, ...]]:
        """The event columns that each declared column becomes."""
        return {name: PRODUCES.get(column.treatment, (column.into or name,)) for name, column in self.columns.items()}

"""Intrinsics: the functions that the engines spell differently, each with one expansion an engine.

A portable text calls them by upper-case name. An expansion is a template over the arguments' SQL: `{0}`,
`{1}` ... Both expansions of an intrinsic give equal results; `tests/parity` shows each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from anonymization.errors import SqlError

DUCKDB, SPARK = "duckdb", "spark"

ISO_8601 = (
    "^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"
    "(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"
)
COMMON_LOG = (
    "^[0-3][0-9]/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/[12][0-9]{3}"
    ":([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] [+-](0[0-9]|1[0-4])[0-5][0-9]$"
)
DATE = "^[12][0-9]{3}-[01][0-9]-[0-3][0-9]$"
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = f"^{OCTET}[.]{OCTET}[.]{OCTET}[.]{OCTET}$"
IPV6 = "^[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}$"
URL = "^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+"


@dataclass(frozen=True)
class Intrinsic:
    """One intrinsic: its number of arguments, and its template an engine (or one for both)."""

    arguments: int
    duckdb: str
    spark: str

    def expand(self, arguments: list[str], dialect: str) -> str:
        """Return the SQL of a call."""
        return "(" + (self.spark if dialect == SPARK else self.duckdb).format(*map(_grouped, arguments)) + ")"


def _grouped(argument: str) -> str:
    """An argument as one operand: a name, a literal or a call as it is, anything else in parentheses."""
    return argument if re.fullmatch(r"[\w.\"`]+|'[^']*'", argument) else f"({argument})"


def _both(arguments: int, template: str) -> Intrinsic:
    return Intrinsic(arguments, template, template)


def _matches(pattern: str) -> tuple[str, str]:
    escaped = pattern.replace("{", "{{").replace("}", "}}")
    return f"regexp_matches({{0}}, '{escaped}')", f"({{0}} RLIKE '{escaped}')"


def _first_group(pattern: str, argument: str = "{0}") -> str:
    escaped = pattern.replace("{", "{{").replace("}", "}}")
    return f"regexp_extract({argument}, '{escaped}', 1)"


def _parsed(pattern: str, duckdb: str, spark: str) -> Intrinsic:
    """A text of exactly this shape goes to the engine's parser; any other is null."""
    in_duckdb, in_spark = _matches(pattern)
    return Intrinsic(1, f"CASE WHEN {in_duckdb} THEN {duckdb} END", f"CASE WHEN {in_spark} THEN {spark} END")


def _hmac(sha256: str, unhexed: str, number: str, text: str) -> str:
    inner = unhexed.format(sha256.format(f"{{0}} || {text}"))
    return number.format(sha256.format(f"{{1}} || {inner}"))


def _ip_network() -> Intrinsic:
    v4, v4_spark = _matches(IPV4)
    v6, v6_spark = _matches(IPV6)
    head = "split_part(lower({0}), '::', 1)"
    groups = [
        f"COALESCE(NULLIF(regexp_extract(split_part({head}, ':', {n}), '^0*([0-9a-f]+)$', 1), ''), '0')"
        for n in (1, 2, 3)
    ]
    colons = "(length({0}) - length(replace({0}, ':', '')))"
    short = "(split_part({0}, '::', 2) <> '' OR right({0}, 2) = '::' OR {0} = '::')"
    one_gap = "split_part({0}, '::', 3) = '' AND split_part({0}, ':::', 2) = ''"
    # `::` may stand inside the first three groups only where so few follow that all three are known.
    whole = f"(({short} AND {one_gap} AND {colons} <= 5) OR ({colons} = 7 AND NOT {short}))"
    network = f"{groups[0]} || ':' || {groups[1]} || ':' || {groups[2]} || '::/48'"
    # a match without groups is several times cheaper than one with, so the fourth octet is cut off by its length
    prefix = "substr({0}, 1, length({0}) - length(split_part({0}, '.', 4)))"
    template = f"CASE WHEN {{v4}} THEN {prefix} || '0/24' WHEN {{v6}} AND {whole} THEN {network} END"
    return Intrinsic(
        1,
        template.replace("{v4}", v4).replace("{v6}", v6),
        template.replace("{v4}", v4_spark).replace("{v6}", v6_spark),
    )


def _url_path(dialect: str) -> str:
    is_url = _matches(URL)[dialect == SPARK]
    # one way to match alone: RE2 takes a group from such a pattern several times faster
    path = _first_group(URL + "(/[^?#]*)")
    return (
        f"CASE WHEN substr({{0}}, 1, 1) = '/' THEN {_first_group('^([^?#]*)')}"
        f" WHEN {is_url} THEN COALESCE(NULLIF({path}, ''), '/') END"
    )


def _url_host() -> str:
    """What stands between `://`, or the last `@` behind it, and the port (RFC 3986); null where there is no host."""
    place = _first_group("^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#]*@)?([^/?#@]+)")
    numbered = f"split_part(split_part({place}, '[', 2), ']', 1)"
    host = f"CASE WHEN substr({place}, 1, 1) = '[' THEN {numbered} ELSE split_part({place}, ':', 1) END"
    return f"NULLIF(lower({host}), '')"


def _json_valid() -> Intrinsic:
    """Whether a text is one JSON object and nothing else (RFC 8259), a line of it.

    DuckDB takes NaN, infinities and commas at the end of lists as well; where something looks like one, strings are
    taken out, and it is looked at again. Spark reads a value and nothing behind it: in a list it sees that, unless
    a `]` comes first, and in an object, unless a `}` does.
    """
    beside = "(?i)[:,[{{][ \\t]*-?(nan|inf)|,[ \\t]*[]}}]"
    strings = '"([^"\\\\]|\\\\.)*"'
    without = f"regexp_replace({{0}}, '{strings}', '\"\"', 'g')"
    braced = "substr(ltrim({0}), 1, 1) = '{{'"
    # to look for a few letters costs a fraction of what the expression does
    seldom = "contains(lower({0}), 'nan') OR contains(lower({0}), 'inf') OR regexp_matches({0}, ',[ \\t]*[]}}]')"
    return Intrinsic(
        1,
        f"CASE WHEN NOT json_valid({{0}}) OR NOT {braced} THEN FALSE WHEN NOT ({seldom}) THEN TRUE"
        f" WHEN regexp_matches({{0}}, '{beside}') THEN NOT regexp_matches({without}, '{beside}') ELSE TRUE END",
        f"COALESCE({braced} AND try_parse_json('[' || {{0}} || ']') IS NOT NULL"
        " AND size(json_object_keys('{{\"a\":' || {0} || '}}')) = 1, FALSE)",
    )


def _mesh4() -> Intrinsic:
    def template(divide: str) -> str:
        y, x = "CAST(floor({0} * 240) AS BIGINT)", "CAST(floor(({1} - 100) * 160) AS BIGINT)"

        def div(value: str, by: int) -> str:
            return f"(({value}) {divide} {by})"

        first = f"({div(y, 160)} * 100 + {div(x, 160)})"
        second = f"({first} * 100 + {div(f'{y} % 160', 20)} * 10 + {div(f'{x} % 160', 20)})"
        third = f"({second} * 100 + {div(f'{y} % 20', 2)} * 10 + {div(f'{x} % 20', 2)})"
        return f"{third} * 10 + {y} % 2 * 2 + {x} % 2 + 1"

    return Intrinsic(2, template("//"), template("div"))


INTRINSICS: dict[str, Intrinsic] = {
    "PSEUDONYM": Intrinsic(
        3,
        _hmac("sha256({})", "unhex({})", "CAST('0x' || substr({}, 1, 15) AS BIGINT)", "encode({2})"),
        _hmac("sha2({}, 256)", "unhex({})", "CAST(conv(substr({}, 1, 15), 16, 10) AS BIGINT)", "encode({2}, 'UTF-8')"),
    ),
    "TEXT_HASH": Intrinsic(
        1,
        "CAST('0x' || substr(sha256({0}), 1, 15) AS BIGINT)",
        "CAST(conv(substr(sha2(encode({0}, 'UTF-8'), 256), 1, 15), 16, 10) AS BIGINT)",
    ),
    "MESH4": _mesh4(),
    "EPOCH_OF": _parsed(
        ISO_8601,
        "CAST(floor(epoch(TRY_CAST({0} AS TIMESTAMPTZ))) AS BIGINT)",
        "unix_seconds(try_cast({0} AS TIMESTAMP))",
    ),
    "EPOCH_OF_COMMON_LOG": _parsed(
        COMMON_LOG,
        "CAST(epoch(try_strptime({0}, '%d/%b/%Y:%H:%M:%S %z')) AS BIGINT)",
        "unix_seconds(try_to_timestamp({0}, 'dd/MMM/yyyy:HH:mm:ss Z'))",
    ),
    "DAY_OF_DATE": _parsed(
        DATE,
        "CAST(date_diff('day', DATE '1970-01-01', TRY_CAST({0} AS DATE)) AS INTEGER)",
        "unix_date(try_cast({0} AS DATE))",
    ),
    "EPOCH_OF_TIMESTAMP": Intrinsic(1, "CAST(floor(epoch({0})) AS BIGINT)", "unix_seconds({0})"),
    "INT_DIV": Intrinsic(2, "{0} // {1}", "{0} div {1}"),
    "SAFE_INT": Intrinsic(
        1,
        "CASE WHEN regexp_matches({0}, '^[+-]?[0-9]{{1,18}}$') THEN CAST({0} AS BIGINT) END",
        "CASE WHEN {0} RLIKE '^[+-]?[0-9]{{1,18}}$' THEN CAST({0} AS BIGINT) END",
    ),
    "IP_NETWORK": _ip_network(),
    "URL_PATH": Intrinsic(1, *map(_url_path, (DUCKDB, SPARK))),
    "URL_HOST": _both(1, _url_host()),
    "REGEX_REPLACE_ALL": Intrinsic(3, "regexp_replace({0}, {1}, {2}, 'g')", "regexp_replace({0}, {1}, {2})"),
    "BIT_COUNT": _both(1, "CAST(bit_count({0}) AS BIGINT)"),
    "LARGEST_TWO": Intrinsic(1, "max({0}, 2)", "max_by({0}, {0}, 2)"),
    "BIT_OR_AGG": _both(1, "bit_or({0})"),
    "SHIFT_LEFT": Intrinsic(
        2, "CAST({0} AS BIGINT) << CAST({1} AS BIGINT)", "shiftleft(CAST({0} AS BIGINT), CAST({1} AS INT))"
    ),
    "JSON_VALID": _json_valid(),
    "JSON_FIELD_NAMES": Intrinsic(
        1, "array_to_string(json_keys({0}), chr(31))", "array_join(json_object_keys({0}), char(31))"
    ),
    "GROUP_ITEM": Intrinsic(2, "struct_extract_at({0}, {1})", "try_element_at({0}, {1})"),
    "LIST_ITEM": Intrinsic(2, "{0}[{1}]", "try_element_at({0}, {1})"),
    "LIST_LENGTH": Intrinsic(1, "CAST(len({0}) AS BIGINT)", "CAST(size({0}) AS BIGINT)"),
    "QUOTE_FIELDS": Intrinsic(1, "string_split({0}, '\"')", "split({0}, '\"', -1)"),
    "FIELDS": Intrinsic(2, "string_split({0}, {1})", "split({0}, {1}, -1)"),
}
"""Intrinsics that are templates; the others are built by `expand_intrinsic`."""


def _json_fields(arguments: list[str], dialect: str) -> str:
    """`JSON_FIELDS(line, 'a', 'b')`: the fields' texts as a list, in order; the line is parsed once."""
    line, fields = arguments[0], [argument.strip("'") for argument in arguments[1:]]
    if dialect == SPARK:
        return "array(" + ", ".join(f"get_json_object({line}, '$.{field}')" for field in fields) + ")"
    paths = ", ".join(f"'$.{field}'" for field in fields)
    return f"json_extract_string({line}, [{paths}])"


def _regex_groups(arguments: list[str], dialect: str) -> str:
    """`REGEX_GROUPS(text, 'pattern', n)`: the n groups for GROUP_ITEM, all empty where there is no match."""
    text, pattern, count = arguments[0], arguments[1], int(arguments[2])
    if dialect == SPARK:
        return "array(" + ", ".join(f"regexp_extract({text}, {pattern}, {n})" for n in range(1, count + 1)) + ")"
    names = ", ".join(f"'g{n}'" for n in range(1, count + 1))
    return f"regexp_extract({text}, {pattern}, [{names}])"


@cache
def _offsets(zone: str) -> list[tuple[int, int]]:
    """The zone's UTC offsets in seconds from 1960 to 2060, as (valid until epoch, offset)."""
    info = ZoneInfo(zone)

    def offset(epoch: int) -> int:
        return int((datetime.fromtimestamp(epoch, info).utcoffset() or timedelta()).total_seconds())

    day, changes = 86_400, []
    now, last = int(datetime(1960, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2060, 1, 1, tzinfo=UTC).timestamp())
    before = offset(now)
    while now < last:
        after = offset(now + day)
        if after != before:
            low, high = now, now + day
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            changes.append((high, before))
        now, before = now + day, after
    return [*changes, (1 << 62, offset(last))]


def gaps(zone: str) -> list[tuple[int, int]]:
    """Return the spans of local seconds that a zone's clocks passed over from 1960 to 2060, as [first, past)."""
    offsets = _offsets(zone)
    return [
        (until + before, until + after) for (until, before), (_, after) in itertools.pairwise(offsets) if after > before
    ]


def _local(arguments: list[str]) -> str:
    """Local seconds since 1970-01-01: the zone's offsets as integers, so that no engine's table is asked."""
    epoch, zone = arguments[0], arguments[1].strip("'")
    offsets = _offsets(zone)
    cases = " ".join(f"WHEN {epoch} < {until} THEN {offset}" for until, offset in offsets[:-1])
    shift = f"CASE {cases} ELSE {offsets[-1][1]} END" if cases else str(offsets[-1][1])
    return f"({epoch} + {shift})"


def _second_of_day(local: str) -> str:
    return f"((({local} % 86400) + 86400) % 86400)"


def _day_of(arguments: list[str], dialect: str) -> str:
    local, divide = _local(arguments), "div" if dialect == SPARK else "//"
    return f"CAST(({local} - {_second_of_day(local)}) {divide} 86400 AS INTEGER)"


def _hour_of(arguments: list[str], dialect: str) -> str:
    divide = "div" if dialect == SPARK else "//"
    return f"CAST({_second_of_day(_local(arguments))} {divide} 3600 AS INTEGER)"


BUILT: dict[str, tuple[int, Callable[[list[str], str], str]]] = {
    "JSON_FIELDS": (2, _json_fields),
    "REGEX_GROUPS": (3, _regex_groups),
    "DAY_OF": (2, _day_of),
    "HOUR_OF": (2, _hour_of),
}
"""Intrinsics that look at their literal arguments: the least number of arguments, and what builds them."""


def expand_intrinsic(name: str, arguments: list[str], dialect: str) -> str:
    """Return the engine's SQL of an intrinsic's call.

    Raises:
        SqlError: no such intrinsic, or another number of arguments.
    """
    if name in BUILT:
        least, build = BUILT[name]
        if len(arguments) < least:
            raise SqlError(f"{name} takes at least {least} arguments, not {len(arguments)}")
        return "(" + build(arguments, dialect) + ")"
    intrinsic = INTRINSICS.get(name)
    if intrinsic is None:
        raise SqlError(f"no intrinsic or function {name!r} in portable SQL; known: {sorted({*INTRINSICS, *BUILT})}")
    if len(arguments) != intrinsic.arguments:
        raise SqlError(f"{name} takes {intrinsic.arguments} arguments, not {len(arguments)}")
    return intrinsic.expand(arguments, dialect)

"""What each declared treatment does to a column, as portable SQL.

Every treatment is one function from a column to a `Treated`: the event columns it makes, and the reasons
for which a row is quarantined. Nothing else of a raw row reaches an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anonymization.deidentify.devices import maker_and_family
from anonymization.deidentify.keywords import LONGEST
from anonymization.deidentify.places import outside_mesh, prefecture_of
from anonymization.errors import DeclarationError
from anonymization.policy.sources import LARGEST, UNKNOWN, Column, Source, TimeEncoding, Treatment
from anonymization.quoting import literal

OLDEST = 117
"""Years: of the persons alive nobody is older."""
NO_DATES = ("0001-01-01", "1601-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "9999-12-31")
"""What programs write where there is no date: the first or last day of their calendars."""
AGE_BANDS = 9
"""Ten-year bands below the open one: 0-9 ... 80-89, then 90-over."""

Codelists = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Treated:
    """What a treatment makes of a column.

    Attributes:
        values: helper columns, computed once: name and SQL over the raw columns `raw_<column>`.
        outputs: event columns: name and SQL over raw and helper columns.
        faults: reasons for quarantine, each with its SQL condition, in order.
    """

    values: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Context:
    """What a treatment may look at beside its column."""

    source: Source
    codelists: Codelists


def raw(column: str) -> str:
    """Return the SQL name of a raw column."""
    return f'"raw_{column}"'


def treat(source: Source, codelists: Codelists) -> dict[str, Treated]:
    """Return what becomes of each declared column; time, identifiers and user agents are joined elsewhere."""
    context = Context(source, codelists)
    return {
        name: TREATMENTS[column.treatment](name, column, context)
        for name, column in source.columns.items()
        if column.treatment in TREATMENTS
    }


def _generalized(expression: Callable[[str], str], problem: str) -> Callable[[str, Column, Context], Treated]:
    """A text column that becomes one generalized text.

    In an optional column, what is empty or cannot be read becomes `unknown`, and is counted as such.
    """

    def treated(name: str, column: Column, _: Context) -> Treated:
        helper = f'"value_{name}"'
        output = f"COALESCE({helper}, '{UNKNOWN}')" if column.optional else helper
        return Treated(
            values=((helper, expression(raw(name))),),
            outputs=((column.into or name, output),),
            faults=() if column.optional else (*_missing(name, column), (f"{name}: {problem}", f"{helper} IS NULL")),
        )

    return treated


def _missing(name: str, column: Column) -> tuple[tuple[str, str], ...]:
    return () if column.optional else ((f"{name}: missing", f"{raw(name)} IS NULL"),)


def _code(name: str, column: Column, context: Context) -> Treated:
    codes = context.codelists.get(str(column.codes))
    if codes is None:
        raise DeclarationError(
            f"source {context.source.source!r}, column {name!r}: no code list {column.codes!r};"
            f" known: {sorted(context.codelists)}"
        )
    allowed = ", ".join(literal(code) for code in codes)
    if column.unlisted is not None:
        blank = UNKNOWN if column.optional else column.unlisted
        value = f"CASE WHEN {raw(name)} IS NULL THEN {literal(blank)} WHEN {raw(name)} IN ({allowed}) THEN {raw(name)}"
        return Treated(
            outputs=((column.into or name, f"{value} ELSE {literal(column.unlisted)} END"),),
            faults=_missing(name, column),
        )
    value = f"COALESCE({raw(name)}, '{UNKNOWN}')" if column.optional else raw(name)
    return Treated(
        outputs=((column.into or name, value),),
        faults=(
            *_missing(name, column),
            (f"{name}: not a code of the list {column.codes!r}", f"{raw(name)} NOT IN ({allowed})"),
        ),
    )


def _integer(name: str, column: Column, _: Context) -> Treated:
    helper, most = f'"value_{name}"', column.most or LARGEST
    return Treated(
        values=((helper, f"SAFE_INT({raw(name)})"),),
        outputs=((column.into or name, helper),),
        faults=(
            *_missing(name, column),
            (
                f"{name}: not a whole number from 0",
                f"{raw(name)} IS NOT NULL AND ({helper} IS NULL OR {helper} < 0)",
            ),
            (f"{name}: more than {most}, the most that it can be", f"{helper} > {most}"),
        ),
    )


def _latitude(name: str, _: Column, context: Context) -> Treated:
    other = next(n for n, c in context.source.columns.items() if c.treatment is Treatment.LONGITUDE)
    outside = outside_mesh(raw(name), raw(other))
    return Treated(
        outputs=(("mesh", f"CASE WHEN NOT ({outside}) THEN MESH4({raw(name)}, {raw(other)}) END"),),
        faults=((f"{name}, {other}: missing, or outside the mesh's area", outside),),
    )


def _age_band(name: str, column: Column, context: Context) -> Treated:
    source = context.source
    if source.time.encoding is not TimeEncoding.DATE:
        raise DeclarationError(
            f"source {source.source!r}, column {name!r}: `age_band` needs a snapshot, whose time is a `date`"
        )
    none = ", ".join(map(literal, NO_DATES))
    time, birth = raw(source.time.column), f"(CASE WHEN {raw(name)} NOT IN ({none}) THEN {raw(name)} END)"
    # Both dates as the number YYYYMMDD: their difference in whole 10,000s is the age reached on that day.
    age = (
        f"INT_DIV(SAFE_INT(REGEX_REPLACE_ALL({time}, '-', '')) - SAFE_INT(REGEX_REPLACE_ALL({birth}, '-', '')), 10000)"
    )
    helper, valid = f'"value_{name}"', f'"valid_{name}"'
    bands = " ".join(
        f"WHEN {helper} < {10 * (band + 1)} THEN '{10 * band}-{10 * band + 9}'" for band in range(AGE_BANDS)
    )
    return Treated(
        values=((valid, f"DAY_OF_DATE({birth})"), (helper, age)),
        outputs=((column.into or name, f"CASE WHEN {birth} IS NULL THEN '{UNKNOWN}' {bands} ELSE '90-over' END"),),
        faults=(
            *(() if column.optional else ((f"{name}: missing", f"{birth} IS NULL"),)),
            (f"{name}: not a date YYYY-MM-DD", f"{birth} IS NOT NULL AND {valid} IS NULL"),
            (f"{name}: after the event's day", f"{valid} > DAY_OF_DATE({time})"),
            (f"{name}: more than {OLDEST} years ago", f"{helper} > {OLDEST}"),
        ),
    )


def _keyword(name: str, column: Column, _: Context) -> Treated:
    """The keyword itself is cleaned once a distinct one, and joined (see `keywords.py`)."""
    too_long = (f"{name}: longer than {LONGEST} characters", f"length({raw(name)}) > {LONGEST}")
    return Treated(faults=(*_missing(name, column), too_long))


def _device_model(name: str, column: Column, _: Context) -> Treated:
    maker, family = maker_and_family(raw(name))
    return Treated(outputs=(("maker", maker), ("family", family)), faults=_missing(name, column))


TREATMENTS: dict[Treatment, Callable[[str, Column, Context], Treated]] = {
    Treatment.CODE: _code,
    Treatment.INTEGER: _integer,
    Treatment.IP_NETWORK: _generalized(lambda value: f"IP_NETWORK({value})", "not an IP address"),
    Treatment.URL_PATH: _generalized(lambda value: f"URL_PATH({value})", "not a URL or a path"),
    Treatment.HOST: _generalized(lambda value: f"URL_HOST({value})", "not a URL with a host"),
    Treatment.PREFECTURE: _generalized(prefecture_of, "names no prefecture"),
    Treatment.LATITUDE: _latitude,
    Treatment.AGE_BAND: _age_band,
    Treatment.VERSION: _generalized(
        lambda value: f"NULLIF(regexp_extract({value}, '^([0-9]{{1,3}})([^0-9].*)?$', 1), '')", "no version number"
    ),
    Treatment.KEYWORD: _keyword,
    Treatment.DEVICE_MODEL: _device_model,
}
"""Treatments of one column (a latitude looks at its longitude); the others join persons, times or agents."""

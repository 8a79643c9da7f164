"""Hierarchies made by rule, for the values that the data holds.

The domain is then what the data holds: the loss counts shares of the values present. Where the published levels
must not depend on the data, such as when releases are compared, a hierarchy file is the better choice.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from anonymization.errors import InputError
from anonymization.hierarchies.file import MISSING
from anonymization.hierarchies.hierarchy import Hierarchy

TOP = "*"
_MESH_LENGTHS = (4, 6, 8, 9, 10, 11)
_NETWORKS = {4: (24, 16, 8), 6: (64, 48, 32)}


def intervals(attribute: str, values: Iterable[str | None], widths: Sequence[int] | None = None) -> Hierarchy:
    """Return a hierarchy of whole numbers: the value, intervals of each width, then everything.

    Intervals start at multiples of their width and are written `20-24`, or `(-5)-(-1)` below 0.

    Args:
        attribute: the quasi-identifier's name.
        values: the values present; a missing one is none or empty.
        widths: ascending, each a multiple of the one before; by default 5, 10, 20, … as long as more than one
            interval is left.

    Raises:
        InputError: a value that is no whole number, or widths that do not nest.
    """
    numbers = sorted({_whole(attribute, value) for value in _present(attribute, values)})
    if widths is None:
        widths, width = [], 5
        while numbers[0] // width != numbers[-1] // width and width <= numbers[-1] - numbers[0]:
            widths.append(width)
            width *= 2
    for narrow, wide in zip([1, *widths], widths, strict=False):
        if wide <= narrow or wide % narrow:
            raise InputError(
                f"{attribute!r}: interval widths {list(widths)}: each must be a multiple of the one before, {wide} is "
                f"none of {narrow}"
            )
    return _by_rule(attribute, [[str(n), *(_interval(n, width) for width in widths), TOP] for n in numbers])


def _interval(number: int, width: int) -> str:
    low = number // width * width
    return "-".join(str(end) if end >= 0 else f"({end})" for end in (low, low + width - 1))


def _whole(attribute: str, value: str) -> int:
    if re.fullmatch(r"[+-]?\d+", value) is None:
        raise InputError(f"{attribute!r}: a value is no whole number; intervals are made of whole numbers")
    return int(value)


def dates(attribute: str, values: Iterable[str | None]) -> Hierarchy:
    """Return a hierarchy of dates: the value, its day where some value has a time, month, year, then everything.

    Raises:
        InputError: a value that is no date in ISO 8601 (`2026-10-05`, with or without a time).
    """
    given = sorted(set(_present(attribute, values)))
    days = [_day(attribute, value) for value in given]
    timed = any(value != day.isoformat() for value, day in zip(given, days, strict=True))
    rows = []
    for value, day in zip(given, days, strict=True):
        own = [value, day.isoformat()] if timed else [value]
        rows.append([*own, f"{day:%Y-%m}", f"{day:%Y}", TOP])
    return _by_rule(attribute, rows)


def _day(attribute: str, value: str) -> date:
    try:
        return datetime.fromisoformat(value).date()
    except ValueError:
        raise InputError(
            f"{attribute!r}: a value is no date; ISO 8601 is expected, such as 2026-10-05 or 2026-10-05T12:00"
        ) from None


def prefixes(attribute: str, values: Iterable[str | None], lengths: Sequence[int] | None = None) -> Hierarchy:
    """Return a hierarchy that masks characters from the right: `1500042`, `150004*`, …, then everything.

    Values that are no longer than a prefix stand for themselves.

    Args:
        attribute: the quasi-identifier's name.
        values: the values present; a missing one is none or empty.
        lengths: of the prefixes, descending, at least 1; by default every length below the longest value's.

    Raises:
        InputError: lengths that do not descend, or are below 1.
    """
    given = sorted(set(_present(attribute, values)))
    if lengths is None:
        lengths = range(max(map(len, given)) - 1, 0, -1)
    if any(length < 1 for length in lengths) or list(lengths) != sorted(set(lengths), reverse=True):
        raise InputError(f"{attribute!r}: prefix lengths {list(lengths)}: they must descend, down to 1 at least")
    rows = [[v, *(v if len(v) <= length else v[:length] + TOP for length in lengths), TOP] for v in given]
    return _by_rule(attribute, rows)


def mesh(attribute: str, values: Iterable[str | None]) -> Hierarchy:
    """Return a hierarchy of grid squares (JIS X 0410): cut digits down to the first mesh, then everything.

    11 digits are an eighth mesh (about 125 m), 10 a quarter, 9 a half (500 m), 8 the third (1 km), 6 the second
    (10 km), 4 the first (80 km).

    Raises:
        InputError: a value that is no mesh code, or codes of different lengths.
    """
    given = sorted(set(_present(attribute, values)))
    length = len(given[0])
    for value in given:
        if not re.fullmatch(r"[0-9]+", value) or len(value) not in _MESH_LENGTHS or len(value) != length:
            raise InputError(
                f"{attribute!r}: a value is no mesh code, or not of {length} digits as the first is; "
                f"{', '.join(map(str, _MESH_LENGTHS))} digits are allowed, all of one length"
            )
    coarser = [cut for cut in reversed(_MESH_LENGTHS) if cut < length]
    return _by_rule(attribute, [[value, *(value[:cut] for cut in coarser), TOP] for value in given])


def networks(attribute: str, values: Iterable[str | None]) -> Hierarchy:
    """Return a hierarchy of IP addresses: the address, its /24, /16, /8 (IPv6: /64, /48, /32), then everything.

    Raises:
        InputError: a value that is no IP address.
    """
    rows = []
    for value in sorted(set(_present(attribute, values))):
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise InputError(f"{attribute!r}: a value is no IPv4 or IPv6 address") from None
        lengths = _NETWORKS[address.version]
        rows.append([value, *(str(ipaddress.ip_network((address, n), strict=False)) for n in lengths), TOP])
    return _by_rule(attribute, rows)


def _present(attribute: str, values: Iterable[str | None]) -> list[str]:
    """The values that are not missing."""
    given = [value for value in values if value is not None and value != MISSING]
    if not given:
        raise InputError(f"{attribute!r}: no value is present; a hierarchy by rule needs at least one")
    return given


def _by_rule(attribute: str, rows: Sequence[Sequence[str]]) -> Hierarchy:
    return Hierarchy.from_rows(attribute, rows, where=f"the hierarchy by rule of {attribute!r}")

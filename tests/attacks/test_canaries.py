"""Canaries: what was raw in the logs is nowhere outside the identified zone, in no spelling, code or digest."""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import re
import unicodedata
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq
import pytest
from harness.pseudonyms import pseudonym

from anonymization.keys import PeriodKeys
from anonymization.policy.sources import Format, Role, Treatment

PERIOD = "2026-10"
IDENTIFIED = {"landing", "quarantine", "choices"}
EACH, SHORTEST = 3, 8
"""Values a column that are looked for, and the fewest characters of one that does not occur by chance."""


def aligned(text):
    """The base64 of a text wherever it stands in a longer one: without what its neighbours decide."""
    raw = text.encode()
    for before in range(3):
        code = base64.b64encode(b"\0" * before + raw)
        first = -(-before * 4 // 3)
        yield code[first : (len(raw) + before) * 4 // 3]


def digests(text):
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "sha3_256"):
        digest = hashlib.new(name, text.encode()).digest()
        yield from (digest, digest.hex().encode(), digest.hex().upper().encode(), base64.b64encode(digest))


LOOKED_FOR = (Role.IDENTIFIER, Role.QUASI_IDENTIFIER, Role.SENSITIVE)
SPELLINGS = {
    "raw": lambda text: [text.encode()],
    "capitals": lambda text: [text.upper().encode(), text.lower().encode()],
    "normalized": lambda text: [unicodedata.normalize(form, text).encode() for form in ("NFC", "NFD", "NFKC", "NFKD")],
    "without separators": lambda text: ["".join(c for c in text if c.isalnum()).encode()],
    "reversed": lambda text: [text[::-1].encode()],
    "rot13": lambda text: [codecs.encode(text, "rot13").encode()],
    "escaped for addresses": lambda text: [quote(text, safe="").encode(), quote(text).encode()],
    "escaped for JSON": lambda text: [text.encode("unicode_escape")],
    "UTF-16": lambda text: [text.encode("utf-16-le"), text.encode("utf-16-be")],
    "Shift-JIS": lambda text: [text.encode("cp932", "replace")],
    "hexadecimal": lambda text: [text.encode().hex().encode(), text.encode().hex().upper().encode()],
    "base64": lambda text: [*aligned(text), base64.urlsafe_b64encode(text.encode()).rstrip(b"=")],
    "base32": lambda text: [base64.b32encode(text.encode()).rstrip(b"=")],
    "digests": lambda text: list(digests(text)),
}


def read(source, path):
    """A raw file's columns as text."""
    at = path.as_posix()
    if source.format is Format.PARQUET:
        return duckdb.sql(f"SELECT * FROM read_parquet('{at}') LIMIT 200").to_arrow_table().to_pydict()
    if source.format is Format.JSON_LINES:
        return (
            duckdb.sql(f"SELECT * FROM read_json('{at}', format='newline_delimited', ignore_errors=true) LIMIT 200")
            .to_arrow_table()
            .to_pydict()
        )
    mark = "," if source.format is Format.CSV else "\t"
    return (
        duckdb.sql(
            f"SELECT * FROM read_csv('{at}', delim='{mark}', header=true, all_varchar=true, ignore_errors=true) LIMIT 200"
        )
        .to_arrow_table()
        .to_pydict()
    )


@pytest.fixture(scope="module")
def canaries(world, policies):
    """Raw values of every column that identifies, or nearly does; search terms have a suite of their own."""
    found = {}
    for source in policies.sources.values():
        paths = sorted((world.home.landing / f"source={source.source}").rglob("*.*"))
        if source.format is Format.COMBINED_LOG:
            path = next(p for p in paths if p.suffix == ".log")
            found[source.source, "host"] = [line.split()[0] for line in path.read_text().splitlines()[:EACH]]
            continue
        if source.encoding != "utf-8":
            lines = paths[0].read_bytes().decode("cp932").splitlines()
            frame = {name: [line.split(",")[n] for line in lines[1:]] for n, name in enumerate(lines[0].split(","))}
        else:
            frame = read(source, paths[0])
        for name, column in source.columns.items():
            if column.role in LOOKED_FOR and column.treatment is not Treatment.KEYWORD and name in frame:
                texts = {str(value) for value in frame[name] if value is not None}
                texts = sorted(text for text in texts if len(text) >= SHORTEST and not text.isalpha())
                if texts:
                    found[source.source, name] = texts[:: max(1, len(texts) // EACH)][:EACH]
    return found


def content(path):
    """A file's bytes; of Parquet its distinct values too, of gzip what it holds."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        return raw + gzip.decompress(raw)
    if path.suffix == ".parquet":
        columns = pq.read_table(path).columns
        return raw + "\n".join(str(value) for column in columns for value in column.unique().to_pylist()).encode()
    return raw


def residue(home):
    """Every file outside the identified zone, and what it holds; names of files as well."""
    files = [p for p in home.root.rglob("*") if p.is_file() and p.relative_to(home.root).parts[0] not in IDENTIFIED]
    names = "\n".join(p.relative_to(home.root).as_posix() for p in files).encode()
    return b"\0".join([names, *(content(path) for path in files)])


def holds(held, needle):
    """Whether bytes hold a needle; one of digits alone not within a longer number, where it stands by chance."""
    return needle in held and (not needle.isdigit() or re.search(rb"(?<!\d)%b(?!\d)" % needle, held) is not None)


def seen(canaries, held):
    """Which spelling of which column is there."""
    return {
        (*column, spelling)
        for column, values in canaries.items()
        for value in values
        for spelling, spelt in SPELLINGS.items()
        for needle in spelt(value)
        if len(needle) >= SHORTEST and holds(held, needle)
    }


def test_there_are_canaries_of_every_source_that_identifies(canaries, policies):
    assert {source for source, _ in canaries} == set(policies.sources)
    assert len(canaries) > 30


def test_no_canary_is_outside_the_identified_zone(canaries, shipped):
    assert seen(canaries, residue(shipped.home)) == set()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_canary_is_found_in_every_spelling(canaries, spelling):
    """The attack works: one spelling of one value, among other bytes, is found."""
    column = ("subscribers", "email")
    for needle in SPELLINGS[spelling](canaries[column][0]):
        assert any(found[:2] == column for found in seen({column: canaries[column]}, b"log: " + needle + b"!"))


def test_no_pseudonym_is_in_a_package_or_beside_it(world, canaries, shipped):
    """Pseudonyms are of the events alone: no package, evidence, dossier or ledger holds one."""
    keys = PeriodKeys(world.home)
    cookies = canaries["clicks", "cookie_id"]
    pseudonyms = [pseudonym(keys, PERIOD, f"cookie\x1f{cookie}") for cookie in cookies]
    needles = [
        form
        for p in pseudonyms
        for form in (str(p).encode(), b"%015x" % p, p.to_bytes(8, "little"), p.to_bytes(8, "big"))
    ]
    events = b"".join(content(path) for path in shipped.home.events.rglob("source=clicks/**/*.parquet"))
    assert any(needle in events for needle in needles), "the attack works on events"
    outside = [
        p
        for p in shipped.home.root.rglob("*")
        if p.is_file() and p.relative_to(shipped.home.root).parts[0] not in {*IDENTIFIED, "events"}
    ]
    held = b"".join(content(path) for path in outside)
    assert not [needle for needle in needles if needle in held]


@pytest.mark.parametrize(
    ("held", "found"), [(b"1 35702485 2", True), (b"at 35702485", True), (b"9135702485", False), (b"357024851", False)]
)
def test_digits_within_a_longer_number_are_none(held, found):
    assert holds(held, b"35702485") is found

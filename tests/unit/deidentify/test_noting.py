"""Notes of a stock: how each person of a month stood in the month before, under the newer pseudonym, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest
from harness.pseudonyms import pseudonym

from anonymization.deidentify.notes import months_beside, note_of, notes_about
from anonymization.policy.periods import parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.policy.sources import Source

HEADER = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service\n"
TOKYO, OSAKA = "東京都千代田区1-1", "大阪府大阪市1-1"
OCTOBER, NOVEMBER = date(2026, 10, 31), date(2026, 11, 30)


def content(*rows):
    lines = [f"{day},{member},名,メイ,{born},{place},,,{service}\n" for day, member, born, place, service in rows]
    return (HEADER + "".join(lines)).encode()


@pytest.fixture
def months(intake):
    """October: three members, one of them who opted out since; November: one has moved, one has left, one has joined."""
    older = intake.take(
        "subscribers",
        content(
            ("2026-10-31", "m1", "1980-01-01", TOKYO, "mail"),
            ("2026-10-31", "m1", "1980-01-01", TOKYO, "news"),
            ("2026-10-31", " Ｍ2", "", OSAKA, "mail"),
            ("2026-10-31", "left", "1980-01-01", OSAKA, "mail"),
        ),
        "october.csv",
        OCTOBER,
    )
    newer = intake.take(
        "subscribers",
        content(
            ("2026-11-30", "m1", "1980-01-01", OSAKA, "mail"),
            ("2026-11-30", "M2", "", OSAKA, "mail"),
            ("2026-11-30", "new", "1980-01-01", TOKYO, "mail"),
            ("2026-11-30", "gone", "1980-01-01", TOKYO, "mail"),
            ("2026-11-30", "m1", "2999-01-01", TOKYO, "mail"),
        ),
        "november.csv",
        NOVEMBER,
    )
    return intake, older, newer


@pytest.mark.once_on_spark
def test_older_rows_stand_under_the_newer_pseudonym(months):
    intake, older, newer = months
    note = note_of(intake.home, newer)
    rows = [row for path in note.rows for row in pq.read_table(path).to_pylist()]
    keys, day = intake.around.keys, (OCTOBER - date(1970, 1, 1)).days
    m1, m2 = (pseudonym(keys, "2026-11", f"member\x1f{member}") for member in ("m1", "M2"))
    common = {"day": day, "hour": 0, "of": older.digest}
    assert sorted(rows, key=lambda row: (row["p"] != m1, row["service"])) == [
        {"p": m1, "age_band": "40-49", "prefecture": "13", "service": "mail", **common},
        {"p": m1, "age_band": "40-49", "prefecture": "13", "service": "news", **common},
        {"p": m2, "age_band": "unknown", "prefecture": "27", "service": "mail", **common},
    ]
    assert note.files == {"2026-11 2026-10": {older.digest}}
    assert newer.accepted == 3
    assert note_of(intake.home, older) is None, "of the month before nothing is kept"
    assert not list(intake.home.temporary.glob("records-*/*"))


@pytest.mark.later_on_spark
def test_a_note_in_part_is_none_and_is_made_again(months):
    intake, _, newer = months
    note = note_of(intake.home, newer)
    note.rows[0].unlink()
    assert note_of(intake.home, newer) is None
    (path,) = intake.home.landing.glob("november.csv")
    assert intake.take("subscribers", path.read_bytes(), "november.csv", NOVEMBER).again
    assert note_of(intake.home, newer) == note


@pytest.mark.later_on_spark
def test_a_note_goes_with_the_file_that_another_takes_the_place_of(months):
    intake, _, newer = months
    note = note_of(intake.home, newer)
    intake.around = replace(intake.around, replacing=True)
    other = intake.take("subscribers", content(("2026-11-30", "m1", "", OSAKA, "mail")), "november.csv", NOVEMBER)
    assert not [path for path in note.rows if path.exists()]
    assert note_of(intake.home, newer) is None
    assert note_of(intake.home, other) is not None


@pytest.mark.later_on_spark
def test_which_notes_tell_of_months_that_are_over(months):
    intake, _, newer = months
    assert notes_about(intake.home, date(2026, 10, 1)) == []
    said, *rows = notes_about(intake.home, date(2026, 11, 1))
    assert tuple(rows) == note_of(intake.home, newer).rows
    said.write_text("{")
    assert notes_about(intake.home, date(2026, 10, 1))[0] == said, "what cannot be read may tell of any"


def test_the_months_beside():
    february = parse_period(PeriodKind.MONTH, "2026-02")
    assert [month.name for month in months_beside(february, -1)] == ["2026-01", "2025-12", "2025-11"]
    assert [month.name for month in months_beside(february, 1)] == ["2026-03", "2026-04", "2026-05"]


def test_a_stock_is_a_snapshot(policies):
    spec = policies.sources["clicks"].model_dump(by_alias=True) | {"stock": True}
    with pytest.raises(ValueError, match="a `stock` is a snapshot, whose time is a `date`"):
        Source.model_validate(spec)

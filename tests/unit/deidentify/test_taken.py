"""What is told of a file: its name only where no word of it may be a person's."""

from __future__ import annotations

import pytest

from anonymization.deidentify.taken import spoken


@pytest.mark.parametrize(
    ("name", "told"),
    [
        *((name, name) for name in (
            "a.jsonl", "access.log.1.gz", "access_ssl.2026-10-03.log", "clicks-2026-10-03.jsonl.gz", "export[1].json", "20261003T0900Z.csv",
            "part-00000-c000.snappy.parquet", "service_usage_20261003.parquet", "hour07.tsv",
        )),
        ("user-zqcanary7751.jsonl", "*-*.jsonl (file 3 of its folder, by name)"),
        ("taro@example.com.csv", "*@*.*.csv (file 3 of its folder, by name)"),
        ("山田.csv", "*.csv (file 3 of its folder, by name)"),
        ("09077517751.csv", "*.csv (file 3 of its folder, by name)"),
        ("m1a2b3.gz", "*.gz (file 3 of its folder, by name)"),
    ],
)  # fmt: skip
def test_names_are_told_as_far_as_they_are_nobodys(name, told):
    source = "service_usage" if "usage" in name else "clicks"
    assert spoken(name, source, 3) == told

"""The month of the other tests once more: repacked, its lines in another order, taken in on Spark."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.forms import is_long
from harness.homes import copied

from anonymization.home import Home

HEADED = ".tsv"
SETTINGS = """
spark.sql.files.maxPartitionBytes 300k
spark.sql.files.openCostInBytes 1k
spark.sql.shuffle.partitions 5
"""


def repack(landing, target):
    """Write the logs of each source again as one file that arrived within the month, its records shuffled."""
    rng = np.random.default_rng(11)
    for folder in sorted(landing.glob("source=*")):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        contents = list({_unpacked(path): path for path in files})
        suffix = files[0].with_suffix("").suffix if files[0].suffix == ".gz" else files[0].suffix
        arrived = min(max(path.parent.name for path in files), "arrived=2026-10-31")
        name = target / folder.name / arrived / f"all{suffix}"
        name.parent.mkdir(parents=True)
        if suffix == ".parquet":
            tables = [pq.read_table(pa.BufferReader(content)) for content in contents]
            rows = pa.concat_tables(tables)
            pq.write_table(rows.take(rng.permutation(len(rows))), name, row_group_size=2_000)
            continue
        if suffix == ".csv":  # delivered once a month: a record may span lines
            (content,) = contents
            name.write_bytes(content)
            continue
        lines = [content.splitlines(keepends=True) for content in contents]
        headers = {one[0] for one in lines} if suffix == HEADED else set()
        assert len(headers) <= 1
        records = [line for one in lines for line in (one[1:] if headers else one)]
        name.write_bytes(b"".join([*headers, *(records[n] for n in rng.permutation(len(records)))]))


def _unpacked(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture(scope="session")
def taken_again(world, policies, once, archiving):
    """A home with the world's keys and choices, into which Spark took the repacked logs, in many small parts.

    In short those that a release reads.
    """

    def make(folder):
        home = Home(folder / "home")
        left_out = shutil.ignore_patterns("landing", "events", "quarantine", "metrics", "temporary")
        shutil.copytree(world.home.root, home.root, ignore=left_out)
        home.create()
        repack(world.home.landing, home.landing)
        needed = {source for release in policies.releases for source in policies.release(release).sources}
        for source in home.landing.iterdir():
            if not is_long("engines") and source.name.removeprefix("source=") not in needed:
                shutil.rmtree(source)
        settings = home.root / "conf" / "spark-defaults.conf"
        settings.parent.mkdir()
        settings.write_text(SETTINGS)
        named = {
            "NOREN_HOME": str(home.root), "NOREN_POLICIES": str(policies.folder),
            # not by a folder for settings, which would stand in the class path
            "PYSPARK_SUBMIT_ARGS": f"--properties-file {settings} pyspark-shell",
        }  # fmt: skip
        with archiving() as options:
            ended = subprocess.run(
                [sys.executable, "-m", "jobs", "intake", "--engine", "spark", "--master", "local[2]"],
                env=os.environ | named | options, check=False, timeout=600, capture_output=True, text=True,
            )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return home

    return once("retaken", make)


@pytest.fixture
def retaken(taken_again, tmp_path):
    """A copy of that home."""
    return copied(taken_again, tmp_path / "retaken")

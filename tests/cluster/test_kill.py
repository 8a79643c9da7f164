"""Workers that die in the middle of a job change nothing in what it makes."""

from __future__ import annotations

import gzip
import shutil

import pyarrow.parquet as pq
import pytest
from harness.forms import is_long
from harness.homes import copied

from anonymization.deidentify.taken import known_files
from jobs.verbs.build import build

pytestmark = pytest.mark.spark
RELEASE = ("web-audience", "--period", "2026-10")


@pytest.fixture
def landed(setting, world, tmp_path):
    """The setting's home with the month's web analytics in landing/ again, as one file, and without its events."""
    files = sorted((world.home.landing / "source=analytics").rglob("*.*"))
    contents = [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files]
    lines = [line for number, one in enumerate(contents) for line in one.splitlines(keepends=True)[number > 0 :]]
    home = copied(setting.home, tmp_path / "landed")
    shutil.rmtree(home.events / "source=analytics")
    path = home.landing / "source=analytics" / "arrived=2026-10-31" / "all.tsv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(lines))
    return home


@pytest.mark.both("faults")
def test_each_worker_dies_in_the_middle_of_a_job(setting, landed, cluster, start):
    """One while the logs are taken in; in the long form it is replaced, and another one dies during the build."""
    for name in ("first", "second"):
        cluster.add_worker(name)
    intake = start("intake", landed, setting.policies)
    cluster.kill(cluster.await_exchange(intake))
    assert intake.process.poll() is None, "the intake was over before the worker died"
    if is_long("faults"):
        cluster.add_worker("third")
    code, _, complained = intake.ended()
    assert code == 0, complained
    events = [rows(home) for home in (setting.home, landed)]
    assert events[0] == events[1]
    if not is_long("faults"):  # of a build, test_refusals kills the only worker
        return
    building = start("build", landed, setting.policies, *RELEASE)
    cluster.kill(cluster.await_exchange(building))
    assert building.process.poll() is None, "the build was over before the worker died"
    code, said, complained = building.ended()
    assert code == 0, complained
    assert f"digest {build(setting, RELEASE[0], RELEASE[2]).request.digest}" in said
    executors = [content for name, content in cluster.logs().items() if name.endswith("stderr")]
    assert len(executors) >= 4
    assert not any(b" INFO " in content for content in executors), "plans hold the values that a release names"


def rows(home):
    """Every event of web analytics."""
    files = [path for paths, _ in known_files(home, "analytics") for path in paths]
    return sorted(str(row) for path in files for row in pq.read_table(path).to_pylist())

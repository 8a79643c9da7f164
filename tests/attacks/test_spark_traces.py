"""What Spark tells of itself - plans, events, the page that shows them - holds no key, no identifier, no value."""

from __future__ import annotations

import base64
import csv
import gzip
import os
import shutil
import subprocess
import sys

import pytest
from harness.forms import long_only

from anonymization.home import Home
from anonymization.keys import PeriodKeys
from anonymization.policy.sources import Spelling
from anonymization.release.choices import add_optouts
from anonymization.release.ledger.ledger import Ledger
from jobs.synthetic.month import generate
from jobs.verbs.init import initialize

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("apart")]  # a Java of its own each
MONTH, OPTED = "2026-10", "c0ffee1234567890a"
TALKATIVE = """
import sys
import anonymization.engine.spark.session as session
session.ALWAYS |= {
    "spark.eventLog.enabled": "true", "spark.eventLog.compress": "false", "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.dir": f"file:{sys.argv.pop(1)}",
}
"""
"""Noren with what it forbids Spark: events with every plan, from which the page is drawn, are written to a file."""
LEAKY = """
from anonymization.engine.spark.engine import SparkEngine
honest = SparkEngine.register
def literal(value):
    return "NULL" if value is None else f"X'{value.hex()}'" if isinstance(value, bytes) else repr(value)
def register(self, name, table):
    if not len(table):
        return honest(self, name, table)
    fields = lambda row: ", ".join(f"{literal(value)} AS {name}" for name, value in row.items())
    rows = " UNION ALL ".join(f"SELECT {fields(row)}" for row in table.to_pylist())
    self._create(name, lambda: self._session.sql(rows))
SparkEngine.register = register
"""
RUN = "from jobs.__main__ import main; main(['intake', '--source', 'searches', '--engine', 'spark', '--master', 'local[2]'])"


def spellings(secret):
    """How a plan, JSON or a log may spell bytes."""
    numbers = [byte - 256 * (byte > 127) for byte in secret]
    texts = [
        secret.hex(), secret.hex().upper(), " ".join(f"{byte:02X}" for byte in secret), base64.b64encode(secret).decode(),
        ", ".join(map(str, numbers)), ",".join(map(str, numbers)), secret.decode("latin-1"),
    ]  # fmt: skip
    return [text.encode("utf-8") for text in texts] + [secret]


@pytest.fixture
def landed(tmp_path):
    """A home with a day of searches in landing/, and the file in plain text."""
    home = Home(tmp_path / "home")
    initialize(home)
    generate(home, 3000, 5)
    (path,) = (home.landing / "source=searches" / f"arrived={MONTH}-01").iterdir()
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    shutil.rmtree(home.landing / "source=searches")
    path.parent.mkdir(parents=True)
    path.with_suffix("").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    add_optouts(home, Ledger.of(home), [("cookie", OPTED)], namespaces={"cookie": Spelling()})
    return home, list(csv.DictReader(lines, delimiter="\t"))


@pytest.mark.parametrize(
    ("leak", "found"),
    [
        pytest.param("", set(), id="as it is"),
        long_only("attacks", LEAKY, {"inner pad", "outer pad", "opted out"}, id="planted"),
    ],
)
def test_plans_and_events(landed, tmp_path, policies, leak, found):
    home, rows = landed
    (tmp_path / "events").mkdir()
    named = {"NOREN_HOME": str(home.root), "NOREN_POLICIES": str(policies.folder)}
    ran = subprocess.run(
        [sys.executable, "-c", TALKATIVE + leak + RUN, tmp_path / "events"], env=os.environ | named,
        capture_output=True, timeout=300, check=True,
    )  # fmt: skip
    (path,) = (tmp_path / "events").iterdir()
    told = path.read_bytes()
    assert b"SparkListenerSQLExecutionStart" in told
    assert b"searches" in told
    pads = PeriodKeys(home).pseudonym_pads(MONTH)
    secrets = dict(zip(("inner pad", "outer pad"), pads, strict=True)) | {"opted out": OPTED.encode()}
    for row in rows:
        secrets |= {row["cookie_id"]: row["cookie_id"].encode(), row["query"]: row["query"].encode()}
    held = told + ran.stdout + ran.stderr
    assert {name for name, secret in secrets.items() if any(text in held for text in spellings(secret))} == found


EXCHANGED = """
import pathlib, sys, pyarrow as pa
import anonymization.engine.spark.session as session
from anonymization.engine import open_engine
session.ALWAYS |= {"spark.shuffle.compress": "false"}
CHANGE
ids = [f"canary-{n:06d}" for n in range(1000)]
with open_engine("spark", temporary=pathlib.Path(sys.argv[1]), master="local[2]") as engine:
    engine.register("ids", pa.table({"id": ids}))
    engine.create("distinct", "SELECT DISTINCT id FROM ids")
    files = [path for path in pathlib.Path(sys.argv[1]).glob("spark-*/local/**/shuffle_*.data") if path.is_file()]
    held = b"".join(path.read_bytes() for path in files)
print(len(held) > 0, any(one.encode() in held for one in ids))
"""


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param("", "True False", id="as it is"),
        long_only("attacks", 'session.ALWAYS["spark.io.encryption.enabled"] = "false"', "True True", id="planted"),
    ],
)
def test_what_is_exchanged_on_disk(tmp_path, change, found):
    script = EXCHANGED.replace("CHANGE", change)
    ran = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, timeout=300, check=True)
    assert ran.stdout.decode().strip() == found

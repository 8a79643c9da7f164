"""What tests share: engines, a small home with everything taken in, the shipped policies, real data."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from harness.homes import copied
from harness.intakes import Intake
from harness.stages import Stages

from anonymization.engine import open_engine
from anonymization.errors import NorenError
from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.home import Home
from anonymization.keys import load_private_key
from anonymization.microdata.histogram.histogram import Histogram
from anonymization.microdata.local.recoding import recode_locally
from anonymization.policy.load import load_policies
from anonymization.release.choices import add_optouts, optouts, read_optouts
from anonymization.release.decision import Outcome, decide
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.publish import publish
from anonymization.release.setting import Setting
from jobs.synthetic.month import generate
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.walk import OFFICER, open_demo

pytest_plugins = [
    f"harness.{name}" for name in ("costs", "forms", "garbage", "groups", "houses", "once", "equals", "java", "room")
]  # a plugin after those that it imports
ROOT = Path(__file__).parent.parent
POLICIES = ROOT / "policies"
EVENTS, SEED = 150_000, 3
EXPECTED = 5_000
"""Persons that the world's home says it expects: levels at which something is left to hide."""


def pytest_addoption(parser):
    parser.addoption("--engines", default="duckdb,spark", help="engines of the parity tests")


def pytest_generate_tests(metafunc):
    if "engine" in metafunc.fixturenames:
        names = metafunc.config.getoption("--engines").split(",")
        marks = {"spark": [pytest.mark.spark]}
        metafunc.parametrize("engine", [pytest.param(n, marks=marks.get(n, [])) for n in names], indirect=True)


def pytest_runtest_setup(item):
    if item.get_closest_marker("spark") and importlib.util.find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed: pip install 'noren[spark]'")


@pytest.fixture(scope="session")
def engines(tmp_path_factory):
    """One DuckDB a worker, and in one of them one Spark session (see `harness.groups`)."""
    opened = {}
    master = {"spark": "local[2]"}

    def get(name):
        if name not in opened:
            folder = tmp_path_factory.mktemp(name)
            opened[name] = open_engine(
                name, temporary=folder, folders=[tmp_path_factory.getbasetemp()], master=master.get(name)
            )
        return opened[name]

    yield get
    for one in opened.values():
        one.close()


@pytest.fixture
def engine(request, engines):
    return engines(request.param)


@pytest.fixture
def duckdb_engine(engines):
    return engines("duckdb")


@pytest.fixture(scope="session")
def real_data():
    folder = Path(os.environ.get("NOREN_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set NOREN_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def policies():
    return load_policies(POLICIES)


@pytest.fixture
def policy_folder(tmp_path):
    """A copy of the shipped policy folder that a test may break."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


@pytest.fixture
def home(tmp_path):
    """A home without logs."""
    place = Home(tmp_path / "home")
    initialize(place)
    return place


@dataclass(frozen=True)
class World:
    """A home with a month of logs taken in."""

    home: Home
    generated: object
    run: object


@pytest.fixture(scope="session")
def kernels(once):
    """Kernels of local recoding, compiled by one worker for all: where nothing is kept, that takes half a minute."""

    def make(_):
        colours = Hierarchy.from_rows("colour", [("red", "*"), ("blue", "*")])
        rows = Histogram((colours,), np.array([[0], [1]], np.int32), np.array([3, 1]))
        return recode_locally(rows, 2).min_class

    return once("kernels", make)


@pytest.fixture(scope="session")
def world(once, policies):
    def make(folder):
        place = Home(folder / "home")
        open_demo(place, EXPECTED)
        made = generate(place, EVENTS, SEED)
        ledger = Ledger.of(place)
        chosen = read_optouts(place.landing / "optouts.csv", namespaces=policies.namespaces)
        add_optouts(place, ledger, chosen, namespaces=policies.namespaces)
        ledger.close()
        run = run_intake(place, policies, arrivals(place, policies), optouts=optouts(place))
        return place, made, run

    return World(*once("world", make, events=EVENTS, seed=SEED))


@pytest.fixture
def setting(world, policies, tmp_path):
    """A copy of the world's home, to be changed at will; events and keys, without the raw logs."""
    place = copied(world.home, tmp_path / "copied")
    ledger = Ledger.of(place)
    yield Setting(place, policies, ledger)
    ledger.close()


@pytest.fixture(scope="session")
def stages(once, world, policies):
    """Homes with a shipped release of the month, built, gated or approved: each made once a run."""
    return Stages(once, world, policies)


@pytest.fixture
def reached(stages, setting):
    """Continues in the setting's home from a release that was built, gated or approved; gives the candidate."""
    return partial(stages.continued, setting)


@pytest.fixture(scope="session")
def by_region():
    """The dimensions of the monthly audience, without prefectures: a ninth of its cells."""
    dimensions = yaml.safe_load((POLICIES / "releases" / "monthly-audience.yaml").read_text())["dimensions"]
    return dimensions | {"region": dimensions["region"] | {"finest": 1, "levels": ["region"]}}


@pytest.fixture
def declared(setting, policy_folder):
    """Declares one more release, a shipped one with changes, and gives the setting that knows it."""

    def declare(based_on, name, **changes):
        content = yaml.safe_load((POLICIES / "releases" / f"{based_on}.yaml").read_text())
        pins = {} if "dimensions" in changes else content.get("pins", {})
        content |= {"release": name, "pins": pins, **changes}
        if not content["pins"] and not {"method": "differential_privacy"}.items() <= content["protection"].items():
            content["headlines"] = {table: [[]] for table in content["tables"]}  # no size is declared for these
            content["protection"] = content["protection"] | {"suppression_limit": 0.99}
            if "merge" in content["protection"] or content["protection"].get("zeros") == "withheld":
                del content["headlines"]
                content["protection"]["suppression_limit"] = 0 if "merge" in content["protection"] else 0.99
        (policy_folder / "releases" / f"{name}.yaml").write_text(
            yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        )
        return replace(setting, policies=load_policies(policy_folder))

    return declare


@pytest.fixture
def officer_key(setting):
    return load_private_key(setting.home.keys / f"{OFFICER}.key")


@pytest.fixture
def approve(officer_key):
    """Lets the officer decide on a candidate for which the gate has opened."""

    def approve(setting, candidate, **changes):
        given = {"outcome": Outcome.APPROVED, "officer": OFFICER, "officers": setting.officers, "key": officer_key}
        return decide(setting.ledger, candidate, **(given | changes))

    return approve


@pytest.fixture
def publish_it():
    """Publishes a candidate that was approved."""

    def publish_it(setting, candidate, **more):
        digest = setting.policies.digest_of(candidate.request.release)
        given = {
            "officers": setting.officers,
            "policy_digest": digest,
            "stocks": setting.policies.stocks,
            "demo": True,
            **more,
        }
        return publish(setting.home, setting.ledger, candidate.id, **given)

    return publish_it


@pytest.fixture
def clock(monkeypatch):
    """Sets this machine's clock, as the ledger reads it."""

    def clock(time):
        class Clock(datetime):
            @classmethod
            def now(cls, zone=None):
                return datetime.fromisoformat(time).astimezone(zone)

        monkeypatch.setattr("anonymization.release.ledger.ledger.datetime", Clock)

    return clock


@pytest.fixture
def at_once():
    """Runs each of several things in a thread of its own, side by side, and waits for all of them."""

    def at_once(*runs):
        threads = [threading.Thread(target=run) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return at_once


@pytest.fixture
def race_to_publish(publish_it, at_once):
    """Lets a publisher a candidate publish, all at once; returns what each got: a version, or what was said."""

    def race_to_publish(setting, *candidates):
        outcomes = []

        def run(candidate):
            ledger = Ledger.of(setting.home)
            try:
                outcomes.append(publish_it(replace(setting, ledger=ledger), candidate).publication.version)
            except NorenError as error:
                outcomes.append(str(error))
            finally:
                ledger.close()

        at_once(*(partial(run, candidate) for candidate in candidates))
        return outcomes

    return race_to_publish


@pytest.fixture
def release_it(approve, publish_it):
    """Takes a candidate from its gate to its publication."""

    def release_it(setting, candidate):
        result = gate(setting, candidate.id)
        assert result.opened, result.reasons
        approve(setting, candidate)
        return publish_it(setting, candidate)

    return release_it


@pytest.fixture
def intake(home, policies, engine):
    return Intake(home, policies, engine, optouts=[("cookie", "opted"), ("member", "gone")])

"""A small house in real use: no demo, a policy folder of its own, an officer who is enrolled, and 42 members' logs."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from harness.homes import copied

from anonymization.home import Home
from anonymization.keys import generate_officer_key, load_private_key
from anonymization.policy.load import load_policies
from anonymization.release.decision import Outcome, decide
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.setting import Setting
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake
from jobs.verbs.publish import publish

OFFICER, RELEASE, PERIOD, DAY = "privacy-officer", "service-usage", "2026-10", "2026-10-31"
MEMBERS = [f"m{number:04d}" for number in range(42)]
ZONE = ZoneInfo("Asia/Tokyo")


def of_few(path):
    """Let a release of few persons go out: whatever must be hidden is, and its grand total alone is a headline."""
    content = yaml.safe_load(path.read_text())
    content["protection"]["suppression_limit"] = 0.99
    content["headlines"] = {name: [[]] for name in content["tables"]}
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def officers(**keys):
    """The content of `officers.yaml`."""
    lines = [f"  {name}:\n    title: Privacy officer\n    public_key: {key}\n" for name, key in keys.items()]
    return "officers:\n" + "".join(lines) if lines else "officers: {}\n"


def on_any_day(folder):
    """Let no log of a policy folder be due on any day: what a test delivers is of a few. Return the folder."""
    for path in (folder / "sources").iterdir():
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub("^arrives: .*$", "arrives: irregularly", text, flags=re.MULTILINE), encoding="utf-8")
    return folder


def deliver(home, members, name="first"):
    """Deliver who subscribes, and who used the mail service."""
    folder = home.landing / "source=subscribers" / f"arrived={DAY}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{DAY},{m},名,メイ,1980-01-01,東京都千代田区1-1,,,mail\n" for m in members]
    header = "as_of,member_id,name,kana,birth_date,postal_address,phone,email,service\n"
    (folder / f"{name}.csv").write_text(header + "".join(lines), encoding="utf-8")
    time, rows = datetime(2026, 10, 31, 10, tzinfo=ZONE), len(members)
    empty = pa.array([None] * rows, pa.string())
    table = pa.table(
        {
            "time": pa.array([time] * rows, pa.timestamp("us", "Asia/Tokyo")), "member_id": list(members),
            "service": ["mail"] * rows, "status": ["active"] * rows, "channel": ["web"] * rows,
            "voice_seconds": empty, "voice_data": empty, "error_message": empty,
        }
    )  # fmt: skip
    folder = home.landing / "source=service_usage" / f"arrived={DAY}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{name}.parquet")


@dataclass(frozen=True)
class House:
    """A house's home and policy folder, and the officer's key."""

    home: Home
    policies: Path
    key: Path
    ledger: Ledger

    @property
    def setting(self):
        """The house as its policy folder is now."""
        return Setting(self.home, load_policies(self.policies), self.ledger)

    def under(self, folder):
        """The same home, under another policy folder."""
        return replace(self, policies=folder).setting

    def approved(self, **words):
        """A candidate that was built, gated and approved."""
        setting = self.setting
        candidate = build(setting, RELEASE, PERIOD)
        result = gate(setting, candidate.id)
        assert result.opened, result.reasons
        key = load_private_key(self.key)
        decide(
            self.ledger,
            candidate,
            outcome=Outcome.APPROVED,
            officer=OFFICER,
            officers=setting.officers,
            key=key,
            **words,
        )
        return candidate

    def published(self, **words):
        """The folder of a release that was approved and published."""
        return publish(self.setting, self.approved(**words).id)[0].folder


@pytest.fixture(scope="session")
def founded(once, policies):
    """The house as it was founded, which nobody may change."""

    def make(folder):
        rules = on_any_day(Path(shutil.copytree(policies.folder, folder / "policies")))
        for path in [*(rules / "releases").iterdir(), *(rules / "microdata").iterdir()]:
            if path.stem not in (RELEASE, "web-audience"):
                path.unlink()
        of_few(rules / "releases" / f"{RELEASE}.yaml")
        key = folder / "officer.key"
        (rules / "officers.yaml").write_text(officers(**{OFFICER: generate_officer_key(key)}))
        home = Home(folder / "home")
        initialize(home, policies=rules)
        deliver(home, MEMBERS)
        own = load_policies(rules)
        run = run_intake(home, own, arrivals(home, own), optouts=())
        assert not run.failures
        return home, rules, key

    return once("house", make)


@pytest.fixture(scope="session")
def released(once, founded):
    """Continues a house from its first release, made once a run for equal words of the officer; gives its folder."""

    def released(house, **words):
        def make(folder):
            home, rules, key = founded
            ledger = Ledger.of(place := copied(home, folder / "home"))
            House(place, rules, key, ledger).published(**words)
            ledger.close()
            return place

        made = once("released", make, **words)
        house.ledger.close()
        for name in ("candidates", "releases", "noren.db", "mart.duckdb"):
            left, own = made.root / name, house.home.root / name
            shutil.copytree(left, own, dirs_exist_ok=True) if left.is_dir() else shutil.copy(left, own)
        return house.home.releases / RELEASE / PERIOD / "v1"

    return released


@pytest.fixture
def house(founded, tmp_path):
    """A copy of the house, to be changed at will."""
    home, rules, key = founded
    place = copied(home, tmp_path / "house", landing=True)
    ledger = Ledger.of(place)
    yield House(place, Path(shutil.copytree(rules, tmp_path / "rules")), key, ledger)
    ledger.close()

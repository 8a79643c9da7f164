"""Real logs, each under a policy folder of its own, in force since 1995, with the log's zone and one release."""

from __future__ import annotations

import shutil

import pytest
import yaml
from harness.houses import on_any_day

from anonymization.home import Home
from anonymization.policy.load import load_policies
from anonymization.release.ledger.ledger import Ledger
from anonymization.release.setting import Setting
from jobs.verbs.init import initialize
from jobs.verbs.intake import arrivals, run_intake


@pytest.fixture(scope="module")
def take_real(policies, tmp_path_factory):
    """Takes one real file in: gives the setting and the run."""
    ledgers = []

    def take(source, path, arrived, zone, release):
        folder = tmp_path_factory.mktemp("real")
        rules = folder / "policies"
        on_any_day(shutil.copytree(policies.folder, rules))  # a log of two months lacks most days of each
        text = (rules / "policy.yaml").read_text(encoding="utf-8")
        (rules / "policy.yaml").write_text(
            text.replace("effective: 2018-02-01", "effective: 1995-01-01"), encoding="utf-8"
        )
        declared = (rules / "sources" / f"{source}.yaml").read_text(encoding="utf-8")
        (rules / "sources" / f"{source}.yaml").write_text(declared.replace("Asia/Tokyo", zone), encoding="utf-8")
        for shipped in [*(rules / "releases").iterdir(), *(rules / "microdata").iterdir()]:
            shipped.unlink()
        named = rules / "releases" / f"{release['release']}.yaml"
        named.write_text(yaml.safe_dump(release, allow_unicode=True), encoding="utf-8")
        home = Home(folder / "home")
        initialize(home, policies=rules)
        landing = home.landing / f"source={source}" / f"arrived={arrived}"
        landing.mkdir(parents=True)
        shutil.copy(path, landing)
        own = load_policies(rules)
        run = run_intake(home, own, arrivals(home, own), optouts=[])
        ledgers.append(Ledger.of(home))
        return Setting(home, own, ledgers[-1]), run

    yield take
    for ledger in ledgers:
        ledger.close()

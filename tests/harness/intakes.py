"""An intake of files that a test writes."""

from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq

from anonymization.deidentify.arrivals import Arrival, IntakeContext
from anonymization.deidentify.devices import DeviceFamilies
from anonymization.deidentify.intake import take_in
from anonymization.deidentify.keywords import Keywords
from anonymization.files import files_of
from anonymization.keys import PeriodKeys
from anonymization.policy.sources import PersonColumn


class Intake:
    """Takes files in, one at a time, and reads their events back."""

    def __init__(self, home, policies, engine, optouts=()):
        self.home, self.policies, self.engine = home, policies, engine
        linked = {
            link.source: PersonColumn(column=link.to.column, namespace=link.to.namespace) for link in policies.links
        }
        self.around = IntakeContext(
            home, self.engine, PeriodKeys(home), policies.codelists, linked, policies.policy.first_day, optouts,
            DeviceFamilies(), Keywords(), policies.spellings, covering=policies.policy.covering,
        )  # fmt: skip

    def take(self, source, content, name, arrived=date(2026, 10, 31)):
        path = self.home.landing / name
        path.write_bytes(content)
        return take_in(Arrival(self.policies.sources[source], arrived, path), self.around)

    def events(self, taken):
        path = self.home.events / f"source={taken.source}" / f"arrived={taken.arrived}" / f"{taken.digest[:16]}.parquet"
        return [row for part in files_of(path, taken.parts) for row in pq.read_table(part).to_pylist()]

"""The events of a release's or of k-anonymous rows' sources, opened in an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from anonymization.deidentify.events import event_schema
from anonymization.engine import open_engine
from anonymization.engine.base import Engine
from anonymization.home import Home
from anonymization.policy.load import Policies
from jobs.inputs import Inputs


@contextmanager
def opened_events(
    home: Home, policies: Policies, inputs: Inputs, *, engine: str, master: str | None = None
) -> Iterator[tuple[Engine, dict[str, str]]]:
    """Open an engine with the events of every source; yields it and the relation of each source."""
    linked = {link.source for link in policies.links}
    with open_engine(engine, temporary=home.temporary, folders=[home.events], master=master) as opened:
        relations = {}
        for source, paths in inputs.files.items():
            schema = event_schema(policies.sources[source], linked=source in linked)
            opened.open_events(f"events_{source}", paths, schema)
            relations[source] = f"events_{source}"
        yield opened, relations

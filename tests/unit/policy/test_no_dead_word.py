"""Every key of the policy folder is used by a decision, a text or a check: what no code reads says nothing."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

from anonymization.deidentify.events import event_schema
from anonymization.policy import declared, microdata, model, protection, releases, sources
from anonymization.policy.allowed import check_microdata, check_release
from anonymization.policy.declared import Declared
from anonymization.policy.load import load_policies
from anonymization.release.inputs import plan_release
from anonymization.tables.counting.tabulate import statements
from anonymization.tables.method import method_of
from jobs.policy_page import page

ROOT = Path(__file__).parents[3]
MODELS = {module.__file__ for module in (declared, microdata, model, protection, releases, sources)}
READ_AT = {
    "CellKey.deviation": ("tables/methods/cell_key.py", ".deviation"),
    "CellKey.forbidden": ("policy/protection.py", "map(str, self.forbidden)"),
    "CellKey.flex": ("tables/methods/cell_key_magnitudes.py", "protection.flex"),
    "CellKey.most_per_person": ("tables/methods/cell_key.py", "protection.most_per_person"),
    "CellKey.share": ("tables/methods/cell_key_magnitudes.py", "protection.share"),
    "CellKey.variance": ("policy/protection.py", "self.variance.normalize()"),
    "CellKey.method": ("tables/plan.py", "release.protection.method"),
    "Column.most": ("deidentify/treatments.py", ".most"),
    "DifferentialPrivacy.consistent": ("tables/methods/differential_privacy.py", "protection.consistent"),
    "DifferentialPrivacy.delta": ("tables/methods/differential_privacy.py", "protection.delta"),
    "DifferentialPrivacy.epsilon": ("policy/protection.py", "self.epsilon or"),
    "DifferentialPrivacy.max_cells": ("tables/methods/differential_privacy.py", "protection.max_cells"),
    "DifferentialPrivacy.max_per_cell": ("tables/methods/differential_privacy.py", "protection.max_per_cell"),
    "DifferentialPrivacy.mechanism": ("tables/methods/differential_privacy.py", "protection.mechanism"),
    "DifferentialPrivacy.method": ("tables/plan.py", "release.protection.method"),
    "DifferentialPrivacy.rho": ("policy/protection.py", "self.rho if"),
    "Dominance.percent": ("tables/methods/suppression.py", "dominance.percent"),
    "EarlierText.file": ("policy/load.py", "stated.text.file"),
    "EarlierText.sha256": ("policy/load.py", "stated.text.sha256"),
    "Ground.information_types": ("policy/grounds.py", "in self.information_types"),
    "Ground.kind": ("policy/grounds.py", "self.kind.value"),
    "Ground.purposes": ("policy/grounds.py", "in self.purposes"),
    "Ground.recipients": ("policy/grounds.py", "in self.recipients"),
    "Ground.reference": ("policy/grounds.py", "self.reference"),
    "Ground.scope": ("jobs/policy_page.py", "one.scope"),
    "Ground.since": ("policy/grounds.py", "self.since <= day"),
    "Ground.until": ("policy/grounds.py", "day <= self.until"),
    "Earlier.text": ("policy/load.py", "stated.text"),
    "MeasureSpec.known": ("tables/plan.py", "spec.known"),
    "Microdata.description": ("verbs/microdata.py", "spec.description.en"),
    "Microdata.distinct_l": ("verbs/microdata.py", "spec.distinct_l"),
    "Microdata.k": ("verbs/microdata.py", "KAnonymity(spec.k)"),
    "Microdata.owner": ("verbs/microdata.py", "spec.owner"),
    "Microdata.period": ("verbs/microdata.py", "spec.period"),
    "Microdata.sensitive": ("verbs/microdata.py", "spec.sensitive"),
    "Microdata.suppression_limit": ("verbs/microdata.py", "spec.suppression_limit"),
    "Microdata.title": ("verbs/microdata.py", "spec.title.en"),
    "PersonColumn.column": ("deidentify/identifiers.py", "person.column"),
    "Release.description": ("release/texts.py", "release.description.en"),
    "Release.owner": ("verbs/build.py", "plan.release.owner"),
    "Release.title": ("release/texts.py", "release.title.en"),
    "Source.encoding": ("deidentify/look.py", "source.encoding"),
    "Source.format": ("deidentify/readers.py", "source.format"),
    "Source.stock": ("deidentify/intake.py", "source.stock"),
    "Source.zone": ("policy/load.py", "source.zone"),
    "Source.time": ("deidentify/times.py", "source.time"),
    "Suppression.dominance": ("tables/methods/suppression.py", ".dominance"),
    "Suppression.p_percent": ("tables/methods/suppression.py", ".p_percent"),
    "Suppression.sensitive": ("tables/methods", ".sensitive"),
    "Text.ja": ("release/texts.py", "title.ja"),
    "Thresholded.suppression_limit": ("release/gate/hidden.py", "protection.limit("),
    "TimeColumn.clock": ("deidentify/times.py", "time.clock"),
    "TimeColumn.column": ("deidentify/times.py", "time.column"),
    "TimeColumn.encoding": ("deidentify/times.py", "time.encoding"),
    "Source.arrives": ("release/gaps.py", "sources[source].arrives"),
}
"""What only an intake or a build reads: the code where it does, by file and words."""


def owner_of(kind, name):
    """The model that declares a field, if it is one."""
    found = (one for one in kind.__mro__ if name in inspect.get_annotations(one))
    owner = next(found, None)
    return None if owner is None or not issubclass(owner, Declared) else f"{owner.__name__}.{name}"


@pytest.fixture
def read(monkeypatch):
    """Fields that were read, but those that a model only compares with its others."""
    found, plain = set(), Declared.__getattribute__

    def watched(self, name):
        code = sys._getframe(1).f_code
        if not name.startswith("_") and not (code.co_filename in MODELS and code.co_name.startswith("_")):
            found.add(owner_of(type(self), name))
        return plain(self, name)

    monkeypatch.setattr(Declared, "__getattribute__", watched)
    return found


def models(kind=Declared):
    for one in kind.__subclasses__():
        yield one
        yield from models(one)


def test_every_field_is_read(read, policies):
    declared = {
        f"{one.__name__}.{name}" for one in models() if one.__module__.startswith("anonymization.policy.")
        for name in inspect.get_annotations(one) if name in one.model_fields
    }  # fmt: skip
    assert len(declared) > 100
    loaded = load_policies(policies.folder)
    page(loaded)
    for source in loaded.sources.values():
        event_schema(source)
    known = (loaded.policy, loaded.sources, loaded.links, loaded.recipients)
    for release in loaded.releases.values():
        check_release(release, *known)
        plan, _ = plan_release(loaded, release.release, "2026-10")
        list(statements(plan, {source: source for source in plan.release.sources}))
        method_of(plan.method).told(release.protection)
    for rows in loaded.microdata.values():
        check_microdata(rows, *known)
    assert sorted(declared - read - READ_AT.keys() - OFFICERS) == [], "no code reads these keys: they say nothing"
    assert sorted(READ_AT.keys() - declared) == []


OFFICERS = {"Officer.title", "Officer.public_key", "Officer.airflow_user", "Dominance.persons"}
"""Of nobody who is shipped (see the page with an officer, below); and a number that is fixed."""


@pytest.mark.parametrize(("where", "words"), READ_AT.values(), ids=READ_AT)
def test_it_is_read_there(where, words):
    files = [path for room in ("anonymization", "jobs") for path in (ROOT / room).rglob("*.py")]
    texts = [path.read_text() for path in files if where in path.as_posix()]
    assert any(words in text for text in texts)


def test_the_page_names_who_may_approve(policy_folder):
    (policy_folder / "officers.yaml").write_text("officers:\n  one: {title: Head of privacy, airflow_user: head}\n")
    assert "| one | Head of privacy | Airflow, as head |" in page(load_policies(policy_folder))

"""Around the gate: what is changed between the build and the gate, what is out already, and what ships."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import anonymization.release.gate.attacks
import anonymization.release.protect
import anonymization.tables.methods.suppression
from anonymization.errors import AuditUnfinished, IntegrityError
from anonymization.policy.load import load_policies
from jobs.verbs.audit import attack
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.walk import RELEASES

PERIOD = "2026-10"
POLICIES = Path(__file__).parents[2] / "policies"


# What happens between the build and the gate.


def without_a_proof(path, rng):
    path.unlink()


def noise_for_a_proof(path, rng):
    path.write_bytes(rng.bytes(4096))


def half_a_proof(path, rng):
    path.write_bytes(path.read_bytes()[:100])


def parts_of(path):
    with np.load(path) as parts:
        return dict(parts)


def another_proof(path, rng):
    """A proof of the right shape: its moves move other cells, by other numbers."""
    parts = parts_of(path)
    np.savez_compressed(path, **parts | {name: rng.permutation(parts[name]) for name in ("by", "of")})


def a_proof_of_other_cells(path, rng):
    parts = parts_of(path)
    np.savez_compressed(path, **parts | {"cells": parts["cells"] + 1})


DAMAGES = [without_a_proof, noise_for_a_proof, half_a_proof, another_proof, a_proof_of_other_cells]
BY_SERVICE_AND_AGE = {"dimensions": ["service", "age_band"]}


@pytest.fixture
def by_service_and_age(declared):
    table = yaml.safe_load((POLICIES / "releases" / "service-usage.yaml").read_text())["tables"]["usage"]
    return declared("service-usage", "usage-by-age", tables={"ages": table | BY_SERVICE_AND_AGE}, pins={})


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_its_proof_the_gate_finds_the_same(by_service_and_age, damage):
    setting = by_service_and_age
    candidate = build(setting, "usage-by-age", PERIOD)
    proof = candidate.evidence / "proof.npz"
    damage(proof, np.random.default_rng(7))
    result = gate(setting, candidate.id)
    assert result.opened, result.reasons
    assert not proof.exists(), "it bounds true figures, and goes with the gate"
    assert gate(setting, candidate.id).opened, "a second gate looks for tables itself"


@pytest.mark.parametrize("damage", [None, another_proof])
def test_no_proof_makes_the_gate_overlook_a_figure_that_follows(by_service_and_age, damage, monkeypatch):
    """What was hidden for others is shown; the proof is that of the pattern that hides it."""
    shown = anonymization.tables.methods.suppression._safe_tables

    def all_but_the_unsafe(tables, linked, hidden, rules):
        few = np.zeros_like(hidden)
        for places, table in zip(linked.places, [t for t in tables for _ in t.measures], strict=False):
            few[places] = table.few(table.measures[0], rules.minimum_count) & hidden[places]
        assert few.sum() < hidden.sum(), "something is hidden for others"
        return shown(tables, linked, few, rules)

    monkeypatch.setattr(anonymization.tables.methods.suppression, "_safe_tables", all_but_the_unsafe)
    candidate = build(by_service_and_age, "usage-by-age", PERIOD)
    if damage is not None:
        damage(candidate.evidence / "proof.npz", np.random.default_rng(7))
    result = gate(by_service_and_age, candidate.id)
    assert not result.opened
    assert any("usage-by-age" in reason or "ages." in reason for reason in result.reasons), result.reasons


def last_figure_changed(candidate):
    path = candidate.package / "tables" / "audience.csv"
    text = path.read_text()
    path.write_text(text[: text.rindex("F")] + "C\n")


def manifest_made_anew(candidate):
    """Whoever changes a table can make its manifest, too: not the digest that the ledger holds."""
    last_figure_changed(candidate)
    digests = {
        path.relative_to(candidate.package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(candidate.package.rglob("*"))
        if path.is_file() and path.name != "MANIFEST.json"
    }
    (candidate.package / "MANIFEST.json").write_text(json.dumps({"files": digests}))


def needs_lost(candidate):
    (candidate.evidence / "needs.jsonl").write_text("")


@pytest.mark.parametrize("change", [last_figure_changed, manifest_made_anew, needs_lost])
def test_a_candidate_that_was_changed_is_none(setting, change):
    candidate = build(setting, "monthly-audience", PERIOD)
    change(candidate)
    with pytest.raises(IntegrityError):
        gate(setting, candidate.id)


def test_a_policy_that_was_changed_closes_the_gate(setting, policy_folder, failed):
    candidate = build(setting, "service-usage", PERIOD)
    path = policy_folder / "recipients.yaml"
    path.write_text(path.read_text() + "# changed\n")
    result = gate(replace(setting, policies=load_policies(policy_folder)), candidate.id)
    assert failed(result) == {"candidate_policy"}


def test_a_title_with_a_mail_address_closes_the_gate(declared, failed):
    told = {"en": "Usage; questions to taro.yamada@example.jp", "ja": "利用状況"}
    setting = declared("service-usage", "usage-with-address", title=told)
    result = gate(setting, build(setting, "usage-with-address", PERIOD).id)
    assert failed(result) == {"candidate_identifiers"}


# Beside what is out already.


def test_a_build_that_forgets_what_is_out_is_found_by_the_gate(declared, release_it, monkeypatch, failed):
    """Another recipient gets the persons by service and age band alone: other cells are hidden than in the first."""
    content = yaml.safe_load((POLICIES / "releases" / "service-usage.yaml").read_text())
    dimensions = {name: of for name, of in content["dimensions"].items() if name != "status"}
    tables = {"ages": content["tables"]["usage"] | {"dimensions": list(dimensions)}}
    declared("service-usage", "usage", pins={})  # every code of both: something is left to hide
    setting = declared(
        "service-usage", "usage-by-age", dimensions=dimensions, tables=tables, recipient="urban-planning"
    )
    release_it(setting, build(setting, "usage", PERIOD))
    honest = build(setting, "usage-by-age", PERIOD)
    assert honest.request.figures["cells confidential because of earlier releases alone"] > 0
    assert gate(setting, honest.id).opened
    monkeypatch.setattr(anonymization.release.protect, "earlier_issues", lambda *_, **__: [])
    result = gate(setting, build(setting, "usage-by-age", PERIOD).id)
    assert "candidate_together" in failed(result)
    assert any("usage 2026-10 v1, usage." in reason for reason in result.reasons)


@pytest.mark.parametrize("name", RELEASES)
def test_the_shipped_releases_pass(shipped, name):
    result = shipped.results[name]
    assert result.opened, result.reasons
    assert not attack([shipped.candidates[name].folder])


def test_the_officer_reads_whom_the_threshold_counts_and_what_groups_share(shipped):
    read = {name: (shipped.home.metrics / f"{name}.md").read_text() for name in RELEASES}
    of_days, of_links = (
        "Only ids count for that which were seen on 2 days",
        "Ids that sign-ins link to one member are one",
    )
    assert [name for name in RELEASES if of_days in read[name]] == ["search-trends"]
    assert [name for name in RELEASES if of_links in read[name]] == ["search-trends"]
    assert "| links (read only to tell which ids are one person's) |" in read["search-trends"]
    assert "are in one class as well:" in read["monthly-audience"]
    assert "by Day type:" not in read["population-by-place"]


def test_an_audit_that_ends_early_closes_the_gate(setting, monkeypatch):
    def endless(*_, **__):
        raise AuditUnfinished("the attack did not finish in its time")

    monkeypatch.setattr(anonymization.release.gate.attacks, "audit", endless)
    result = gate(setting, build(setting, "search-trends", PERIOD).id)
    assert not result.opened
    assert result.reasons[0] == "the attack did not finish in its time"

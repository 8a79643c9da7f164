"""Figures of docs/cell-key.md and docs/differential-privacy.md are what the code gives."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from anonymization.policy.periods import parse_period
from anonymization.policy.releases import Release
from anonymization.tables.counting.record_keys import KEYS
from anonymization.tables.methods.cell_key_noise import perturbation
from anonymization.tables.methods.differential_privacy import scales, sensitivity
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve

DOCS = Path(__file__).parents[3] / "docs"
TITLE = {"en": "x", "ja": "x"}


def rows_under(page, header):
    """The rows of the table under a header."""
    text = (DOCS / page).read_text()
    body = text[text.index(header) :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[field.strip() for field in line.strip("|").split("|")] for line in body]


def test_the_distribution():
    ((_, *shares),) = rows_under("cell-key.md", "| perturbation |")
    weights = perturbation(5, Decimal(2)).weights[-1]
    assert [Decimal(share) for share in shares] == [
        Decimal(round(w / KEYS * 100, 2)).quantize(Decimal("0.01")) for w in weights
    ]


def test_the_example_of_cell_keys():
    rows = rows_under("cell-key.md", "| age band |")
    parts, (_, total, key, _) = rows[:-1], rows[-1]
    assert sum(int(row[1]) for row in parts) == int(total)
    assert sum(int(row[2]) for row in parts) % KEYS == int(key)
    for _, persons, cell_key, figure in rows:
        perturbed = perturbation(5, Decimal(2)).perturbed(np.array([int(persons)]), np.array([int(cell_key)]))
        assert figure == ("C" if int(persons) < 10 else str(perturbed[0]))


def test_what_partitions_leave():
    text = (DOCS / "cell-key.md").read_text()
    assert f"for 3, 4 and 6 parts {1 / (1 + 1 / 3 + 1 / 4 + 1 / 6):.2f} V" in text


def test_the_example_of_differential_privacy(policies):
    content = policies.release("web-audience").model_dump(by_alias=True)
    of_kind = {"visitors_bounded": "persons", "page_views_bounded": "total"}
    measures = {name: {"kind": kind, "source": "analytics", "title": TITLE} for name, kind in of_kind.items()}
    content["tables"] = {"visits": {"title": TITLE, "dimensions": ["access_source", "browser"], "measures": measures}}
    declared = re.search(r"protection: \{(.*)\}`", (DOCS / "differential-privacy.md").read_text()).group(1)
    content["protection"] = dict(re.findall(r'(\w+): "?([\w.]+)', declared))
    release = Release.model_validate(content)
    plan = resolve(policies, release, parse_period(release.period, "2026-10"))
    (table,) = plan.tables
    found = scales(plan.tables, release.protection)
    rows = rows_under("differential-privacy.md", "| measure | margin |")
    assert len(rows) == 6
    for name, margin, length, sigma in rows:
        levels = tuple(d.name if d.name in margin.split(", ") else TOTAL for d in table.dimensions)
        measure = next(m for m in table.measures if m.name == name)
        assert sensitivity(table, measure, levels, release.protection).length == pytest.approx(float(length))
        assert f"{found['visits', name, levels]:.1f}" == sigma
    assert [len(d.parents) for d in table.dimensions] == [7, 6]

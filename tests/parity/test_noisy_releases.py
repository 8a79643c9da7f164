"""Releases with noise are equal on both engines: the same persons, the same noise."""

from __future__ import annotations

import pandas as pd
import pytest
from harness.forms import long_only

import anonymization.tables.methods.differential_privacy
from jobs.verbs.build import build

pytestmark = pytest.mark.spark
CELL_KEY = {"method": "cell_key", "minimum_count": 50}


TITLE = {"en": "x", "ja": "x"}
OF_TOTALS = {"most_per_person": {"page_views": 50, "seconds": 3000}}
VISITS = {
    "visitors": {"kind": "persons", "source": "analytics", "title": TITLE},
    "visitor_days": {"kind": "person_days", "source": "analytics", "title": TITLE},
    "page_views": {"kind": "total", "source": "analytics", "title": TITLE},
    "seconds": {"kind": "total", "source": "analytics", "column": "seconds_on_page", "title": TITLE},
}


@pytest.mark.parametrize(
    "based_on",
    [long_only("engines", "monthly-audience"), long_only("engines", "web-audience"), "search-trends"],
)
def test_cell_keys_are_equal(declared, by_region, based_on):
    coarser = {"dimensions": by_region} if based_on == "monthly-audience" else {}
    protection = CELL_KEY
    if based_on == "web-audience":
        protection = CELL_KEY | OF_TOTALS
        visits = {"title": TITLE, "dimensions": ["access_source", "browser", "day"], "measures": VISITS}
        coarser = {"tables": {"visits": visits}}
    setting = declared(based_on, "with-noise", protection=protection, **coarser)
    first = build(setting, "with-noise", "2026-10").request
    assert build(setting, "with-noise", "2026-10", engine="spark").request.digest == first.digest


def test_what_noise_is_drawn_on_is_equal_and_a_draw_is_for_both(declared, monkeypatch):
    """True tables of bounded contributions are equal; what one engine's build drew, the other's reuses."""
    title = {"en": "x", "ja": "x"}
    measures = {
        "visitors_bounded": {"kind": "persons", "source": "analytics", "title": title},
        "seconds_bounded": {"kind": "total", "source": "analytics", "column": "seconds_on_page", "title": title},
    }
    protection = {"method": "differential_privacy", "rho": "0.4", "max_cells": 2, "max_per_cell": 60}
    tables = {"visits": {"title": title, "dimensions": ["access_source", "day"], "measures": measures}}
    setting = declared("web-audience", "with-draw", tables=tables, protection=protection)
    drawn_on, draw = [], anonymization.tables.methods.differential_privacy.drawn
    monkeypatch.setattr(
        anonymization.tables.methods.differential_privacy,
        "drawn",
        lambda true, given: drawn_on.append(true) or draw(true, given),
    )
    first = build(setting, "with-draw", "2026-10").request
    assert build(setting, "with-draw", "2026-10", engine="spark").request.digest == first.digest
    assert len(drawn_on) == 1
    for stored in setting.home.draws.iterdir():
        stored.unlink()
    assert build(setting, "with-draw", "2026-10", engine="spark").request.digest != first.digest
    one, other = (true[0].frame for true in drawn_on)
    pd.testing.assert_frame_equal(one, other)

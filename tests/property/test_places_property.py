"""Places at the finest safe level: the published table equals one made by sets of persons, and has no hole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.deidentify.events import event_schema
from anonymization.policy.periods import parse_period
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.counting.recount import recount
from anonymization.tables.counting.safe_places import Candidates, Rests, asked, decide, safe_places
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.methods.unlisted import withhold
from anonymization.tables.model import TOTAL
from anonymization.tables.plan import resolve

MANY = examples(400)
SLOW = examples(25)
FEW = examples(2)
FIRST = 20_727
LEAST = 3
MESHES = [int(f"5339{second}{third:02d}{half}") for second in (35, 36) for third in (10, 11, 12) for half in (1, 2)]

visits = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from([FIRST, FIRST + 1, FIRST + 2]), st.sampled_from([0, 0, 0, 1]), st.sampled_from([*MESHES[:4] * 4, *MESHES])),
    min_size=15, max_size=60,
)  # fmt: skip


def plan_of(policies):
    release = policies.release("population-by-place")
    return replace(resolve(policies, release, parse_period(release.period, "2026-10")), minimum_count=LEAST)


def registered(engine, policies, rows):
    schema = event_schema(policies.sources["locations"], linked=False)
    frame = pd.DataFrame(rows, columns=["p", "day", "hour", "mesh"])
    engine.register("given_locations", pa.table([pa.array(frame[f.name], f.type) for f in schema], schema=schema))
    return {"locations": "given_locations"}


class Naive:
    """The table at one hour, by sets of (person, day)."""

    def __init__(self, rows, off):
        self.rows = [(p, day, str(mesh // 10)) for p, day, mesh in rows]
        days = {day for _, day, _ in self.rows}
        self.kinds = {TOTAL: days, "day-off": days & set(off), "weekday": days - set(off)}
        self.fine = sorted({mesh for _, _, mesh in self.rows})
        self.below = {TOTAL: sorted({mesh[:6] for mesh in self.fine})}
        self.below |= {above: [mesh for mesh in self.fine if mesh[:6] == above] for above in self.below[TOTAL]}

    def finest(self, place):
        return [mesh for child in self.below[place] for mesh in self.finest(child)] if place in self.below else [place]

    def persons(self, places):
        """Persons on each kind of day at any of some finest places."""
        return {k: len({p for p, d, mesh in self.rows if mesh in places and d in of}) for k, of in self.kinds.items()}

    def days(self, places):
        return {
            k: len({(p, d) for p, d, mesh in self.rows if mesh in places and d in of}) for k, of in self.kinds.items()
        }

    def lacking(self, places):
        return {kind for kind, n in self.persons(places).items() if 0 < n < LEAST}

    def shown(self, banned, place=TOTAL):
        """Whether a place may be listed."""
        return bool(self.rows) and place not in banned and not self.lacking(self.finest(place))

    def published(self, banned=frozenset(), place=TOTAL):
        """Code to finest places, of everything published at or below a listed place."""
        listed = [child for child in self.below.get(place, []) if self.shown(banned, child)]
        unlisted = [child for child in self.below.get(place, []) if child not in listed]
        given_up = []

        def rest(children):
            return [mesh for child in [*unlisted, *children] for mesh in self.finest(child)]

        while self.lacking(rest(given_up)):
            able = [c for c in listed if c not in given_up]
            able = [c for c in able if any(self.persons(self.finest(c))[k] for k in self.lacking(rest(given_up)))]
            given_up.append(min(able, key=lambda c: (self.persons(self.finest(c))[TOTAL], c)))
        for child in sorted(given_up, key=lambda c: -self.persons(self.finest(c))[TOTAL]):
            fewer = [c for c in given_up if c != child]
            if not self.lacking(rest(fewer)) and rest(fewer):
                given_up = fewer
        listed = [child for child in listed if child not in given_up]
        found = {place: self.finest(place)}
        if listed and rest(given_up):
            found[place + "~"] = rest(given_up)
        for child in listed:
            found |= self.published(banned, child)
        return found


def naive(rows, off):
    """Cell to (persons, person-days), and the finest places of each code at each hour."""
    hours = (TOTAL, "00", "01")
    here = {h: Naive([(p, day, m) for p, day, hour, m in rows if h in (TOTAL, f"{hour:02d}")], off) for h in hours}
    banned = {hour: set() for hour in hours}
    while True:
        covers = {hour: at.published(banned[hour]) if at.shown(banned[hour]) else {} for hour, at in here.items()}
        told = [code for code in covers[TOTAL] if code[-1] != "~" and tells(code, here, covers)]
        if not told:
            break
        for hour in hours[1:]:
            banned[hour] |= set(told) & set(covers[hour])
    cells = {}
    for hour, codes in covers.items():
        for code, places in codes.items():
            persons, days = here[hour].persons(places), here[hour].days(places)
            cells |= {(code, hour, kind): (persons[kind], days[kind]) for kind in persons}
    return cells, covers


def tells(code, here, covers):
    """Whether the listed hours of a place tell how many persons were there at the others, within less than three."""
    listed = [hour for hour in covers if hour != TOTAL and code in covers[hour]]
    if not listed:
        return False
    persons, days = here[TOTAL].persons(covers[TOTAL][code]), here[TOTAL].days(covers[TOTAL][code])
    low = {}
    for kind, length in (("day-off", 10), ("weekday", 21), (TOTAL, 31)):
        fewer = persons[kind] - sum(here[hour].persons(covers[hour][code])[kind] for hour in listed)
        left = days[kind] - sum(here[hour].days(covers[hour][code])[kind] for hour in listed)
        low[kind] = max(0, fewer, -(-left // length))
    low[TOTAL] = max(low.values())
    return any(1 <= n < LEAST and persons[kind] - n < 3 for kind, n in low.items())


def check(engine, policies, rows):
    plan = plan_of(policies)
    events = registered(engine, policies, rows)
    (table,) = tabulate(engine, plan, events)
    expected, covers = naive(rows, plan.off)
    assert {row[:3]: row[3:5] for row in table.frame.itertuples(index=False, name=None)} == expected
    assert ((table.frame["persons"] == 0) | (table.frame["persons"] >= LEAST)).all()
    for codes in covers.values():  # every place is in exactly one that is published and has none below it
        leaves = [code for code in codes if not any(other != code and is_below(other, code) for other in codes)]
        assert sorted(mesh for code in leaves for mesh in codes[code]) == codes.get(TOTAL, [])
    (safe,) = withhold([table], LEAST)
    assert safe.frame[["persons", "person_days"]].notna().all(axis=None)
    assert len(safe.frame) == len(expected)
    return plan, events, safe


def is_below(code, place):
    return code[:-1] == place or (place == TOTAL) or (code.startswith(place) and place[-1] != "~")


crowds = st.lists(
    st.tuples(st.integers(1, 14), st.sampled_from([FIRST, FIRST + 2]), st.sampled_from(MESHES[::2])),
    min_size=3, max_size=70,
)  # fmt: skip


def candidates(here):
    """Places of enough persons, as they come out of the engine: by level, then by code."""
    levels = [here.fine, here.below[TOTAL], [TOTAL]]
    enough = [
        (level, c) for level, codes in enumerate(levels) for c in codes if here.persons(here.finest(c))[TOTAL] >= LEAST
    ]
    names = [code for _, code in enough]
    above = {code: parent for parent, codes in here.below.items() for code in codes}
    parent = [names.index(above[code]) if code in above else -1 for code in names]
    persons = [list(here.persons(here.finest(code)).values()) for code in names]
    return names, Candidates(np.array([level for level, _ in enough]), np.array(parent), np.array(persons))


@MANY
@given(rows=crowds)
def test_the_decision_is_that_of_a_naive_merging(rows):
    here = Naive(rows, {FIRST + 2})
    expected = here.published() if not here.lacking(here.fine) else {}
    if len({p for p, _, _ in rows}) < LEAST:
        return
    names, given_candidates = candidates(here)
    listed = safe_places(given_candidates, LEAST)
    of = asked(given_candidates, listed)
    shown = {name for name, there in zip(names, listed, strict=True) if there}

    def unlisted(place, among):
        children = here.below[place]
        return [mesh for child in children if child not in among for mesh in here.finest(child)]

    persons = [list(here.persons(unlisted(names[row], shown)).values()) for row in of]
    rests = Rests(of, np.array(persons, dtype=np.int64).reshape(len(of), 3))
    decision = decide(given_candidates, listed, rests, LEAST)
    shown = {name for name, there in zip(names, decision.listed, strict=True) if there}
    found = {name: here.finest(name) for name in shown}
    found |= {names[row] + "~": unlisted(names[row], shown) for row in decision.rests}
    assert {code: sorted(places) for code, places in found.items()} == {c: sorted(p) for c, p in expected.items()}
    for code, places in found.items():
        assert not here.lacking(places), code
    check_nothing_is_merged_needlessly(here, found)


def check_nothing_is_merged_needlessly(here, found):
    """Any place merged into a rest, listed by itself, would leave a place or the rest unsafe, or nothing to it."""
    for place, children in here.below.items():
        if place not in found:
            continue
        rest = found.get(place + "~", [] if any(child in found for child in children) else here.finest(place))
        for child in children:
            if child not in found:
                left = [mesh for mesh in rest if mesh not in here.finest(child)]
                assert here.lacking(here.finest(child)) or here.lacking(left)


@SLOW
@given(rows=visits)
def test_published_places_are_those_of_a_naive_merging(duckdb_engine, policies, rows):
    plan, events, safe = check(duckdb_engine, policies, rows)
    assert audit([Issue("this one", plan.period, (safe,), LEAST)]) == ()
    counted = recount(duckdb_engine, plan, events, [safe]).set_index(["measure", *safe.keys])["recounted"]
    for measure in ("persons", "person_days"):
        again = counted[measure]
        published = safe.frame.set_index(safe.keys)[measure]
        assert (again.reindex(published.index).fillna(0) == published).all()
        rests = {cell for cell, n in again.items() if cell[0].endswith("~") and n}
        assert rests == {cell for cell, n in published.items() if cell[0].endswith("~") and n}


@pytest.mark.spark
@pytest.mark.long("fuzz")  # in short, tests/parity counts a whole month of it on both engines
@FEW
@given(rows=visits)
def test_published_places_on_spark(engines, policies, rows):
    check(engines("spark"), policies, rows)

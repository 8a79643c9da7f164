"""Releases together: each attack is seen to work on what is safe by itself, and then to find nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from anonymization.errors import ProtectionError
from anonymization.policy.calendar import iso_week
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.audit.states import agrees
from anonymization.tables.audit.system_of import link
from anonymization.tables.audit.two_states import Changed
from anonymization.tables.methods.suppression import protect
from anonymization.tables.methods.suppression_attack import unmet_needs
from anonymization.tables.methods.suppression_states import Truth, unmet_between
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import TOTAL, Dimension, Measure, SafeTable, Table

TITLE = {"en": "x", "ja": "x"}
MONTH = parse_period(PeriodKind.MONTH, "2026-10")
RULES = Rules(10)
PARTNERS = ("p", "q", "r")


def by(name, codes, kind=DimensionKind.EVENT, **more):
    parents = codes if isinstance(codes, dict) else dict.fromkeys(codes, TOTAL)
    return Dimension(
        name, TITLE, kind, ("one",), parents, dict.fromkeys(parents, "one"), {}, complete=True,
        concept=f"column {name}", **more,
    )  # fmt: skip


def measures(where=None, name=""):
    return (
        Measure(f"{name}persons", TITLE, MeasureKind.PERSONS, "logs", where or {}),
        Measure(f"{name}events", TITLE, MeasureKind.TOTAL, "logs", where or {}),
    )


def table(dimensions, counts, of, largest=None):
    """A true table from {codes: (persons, events)}, and {codes: the two largest contributions}."""
    keys = [d.name for d in dimensions]
    frame = pd.DataFrame(
        [codes if isinstance(codes, tuple) else (codes,) for codes in counts], columns=keys, dtype=object
    )
    for position, measure in enumerate(of):
        frame[measure.name] = [figures[position] for figures in counts.values()]
    if largest is not None:
        two = pd.DataFrame([largest.get(codes, (1, 1)) for codes in counts], columns=["first", "second"])
        largest = {measure.name: two for measure in of if measure.kind is MeasureKind.TOTAL}
    return Table("t", TITLE, tuple(dimensions), tuple(of), frame, largest=largest or {})


def true(name, period, *tables):
    return Issue(name, period, tables, 10)


def out(issue, earlier=()):
    """The issue as it is published, beside what is out."""
    done = protect(issue.tables, issue, RULES, earlier)
    return replace(issue, tables=done.tables, standing=done.standing), done


def by_partner(period, name, counts):
    total = tuple(map(sum, zip(*counts.values(), strict=True)))
    return true(name, period, table([by("partner", PARTNERS)], {**counts, TOTAL: total}, measures()))


def last_week_in_month():
    """A day of the last week, and the month's weeks: safe each, together they tell of the other days."""
    day = parse_period(PeriodKind.DAY, "2026-10-07")
    rest = (3, 4)
    of_day = true(
        "a day",
        day,
        table([by("partner", PARTNERS)], {"p": (20, 30), "q": (0, 0), "r": (0, 0), TOTAL: (20, 30)}, measures()),
    )
    weeks = sorted({iso_week(d) for d in range(MONTH.first, MONTH.past)})
    counts = dict.fromkeys(weeks, (30, 60)) | {"2026-W41": (22, 30 + rest[1])}
    total = (90, sum(events for _, events in counts.values()))
    return [of_day], true("weeks", MONTH, table([by("week", weeks, by_day=True)], {**counts, TOTAL: total}, measures()))


def weeks_and_month():
    """Three weeks are out; the month has nine displays more than they have."""
    weeks = [parse_period(PeriodKind.WEEK, f"2026-W{week}") for week in (41, 42, 43)]
    counts = {"p": (30, 100), "q": (20, 60), "r": (15, 40)}
    earlier = [by_partner(week, f"week {week.name}", counts) for week in weeks]
    return earlier, by_partner(MONTH, "month", {"p": (50, 300 + 5), "q": (40, 180 + 4), "r": (30, 120)})


def all_and_clicks():
    """All actions are out; the clicks are all but five of them."""
    everything = by_partner(MONTH, "all", {"p": (50, 105), "q": (60, 160), "r": (40, 140)})
    clicks = {"p": (48, 100), "q": (40, 80), "r": (30, 60), TOTAL: (90, 240)}
    return [everything], true(
        "clicks", MONTH, table([by("partner", PARTNERS)], clicks, measures({"action": ("click",)}, "c"))
    )


def two_recipients():
    """One recipient gets persons by region, another by region and sex: each hides another region beside the north."""
    region, sex = (by(n, c, DimensionKind.PERSON) for n, c in (("region", ("n", "e", "s", "w")), ("sex", ("f", "m"))))
    fine = {
        ("n", "f"): 2,
        ("n", "m"): 2,
        ("e", "f"): 0,
        ("e", "m"): 14,
        ("s", "f"): 11,
        ("s", "m"): 11,
        ("w", "f"): 25,
        ("w", "m"): 25,
    }
    for code in ("n", "e", "s", "w"):
        fine[code, TOTAL] = fine[code, "f"] + fine[code, "m"]
    for code in ("f", "m", TOTAL):
        fine[TOTAL, code] = sum(fine[r, code] for r in ("n", "e", "s", "w"))
    persons = measures()[:1]
    regions = {code: (n,) for (code, of), n in fine.items() if of == TOTAL}
    first = true("first", MONTH, table([region], regions, persons))
    return [first], true("second", MONTH, table([region, sex], {cell: (n,) for cell, n in fine.items()}, persons))


def a_dominated_week_and_its_days():
    """Two persons have 90 percent of a partner's week, but of no day of it: day by day nobody dominates."""
    week = parse_period(PeriodKind.WEEK, "2026-W41")
    counts = {"p": (40, 700), "q": (50, 350), "r": (60, 420), TOTAL: (120, 1470)}
    largest = {"p": (400, 230)}
    first = true("week", week, table([by("partner", PARTNERS)], counts, measures(), largest))
    days = [
        by_partner(
            parse_period(PeriodKind.DAY, f"2026-10-{day:02}"),
            f"day {day}",
            {"p": (20, 100), "q": (20, 50), "r": (20, 60)},
        )
        for day in range(5, 12)
    ]
    return [first, *days[:-1]], days[-1]


def grouped(name, counts, groups=None):
    """Persons by a code of one attribute, or by groups of its codes."""
    codes = {code: n for code, n in counts.items() if groups is None}
    for code, n in counts.items() if groups is not None else ():
        codes[groups[code]] = codes.get(groups[code], 0) + n
    consists = {group: tuple(c for c in counts if groups[c] == group) for group in codes} if groups else {}
    dimension = by("prefecture", tuple(codes), DimensionKind.PERSON, consists=consists)
    figures = {code: (n,) for code, n in {**codes, TOTAL: sum(counts.values())}.items()}
    return true(name, MONTH, table([dimension], figures, measures()[:1]))


PREFECTURES = {"tokushima": 3, "kagawa": 40, "ehime": 25, "osaka": 12, "nara": 60, "mie": 33}
REGIONS = {"tokushima": "shikoku", "kagawa": "shikoku", "ehime": "shikoku"} | dict.fromkeys(
    ("osaka", "nara", "mie"), "kansai"
)
COASTS = {"ehime": "west", "kagawa": "north", "mie": "east", "nara": "none", "osaka": "west", "tokushima": "east"}


def two_groupings():
    """Prefectures are out; of regions, which are made of them, none is small: 68 - 40 - 25 = 3."""
    return [grouped("prefectures", PREFECTURES)], grouped("regions", PREFECTURES, REGIONS)


def three_groupings():
    """Regions and coasts are out, neither of which makes up the other; together with prefectures they tell of one."""
    counts = PREFECTURES | {"osaka": 4, "tokushima": 13}
    return (
        [grouped("regions", counts, REGIONS), grouped("prefectures", counts)],
        grouped("coasts", counts, COASTS),
    )


SERVICES = ("mail", "news", "maps", "music")


def filtered(name, figures):
    """Persons and uses of some services together, each as a population of its own."""
    found, row = [], []
    for services, numbers in figures.items():
        where = {"service": services}
        found += [replace(m, lists={"service": SERVICES}) for m in measures(where, f"{'_'.join(services)}_")]
        row += numbers
    frame = pd.DataFrame([["x", *row], [TOTAL, *row]], columns=["channel", *(m.name for m in found)])
    two = {m.name: pd.DataFrame({"first": [3, 3], "second": [3, 3]}) for m in found if m.kind is MeasureKind.TOTAL}
    return true(name, MONTH, Table("t", TITLE, (by("channel", ("x",)),), tuple(found), frame, largest=two))


def overlapping_filters():
    """[mail, news] + [news, maps] - [mail, news, maps] = 57 uses of news, all of them by one person."""
    one = filtered("mail or news", {("mail", "news"): (40, 177)})
    other = filtered("news or maps", {("news", "maps"): (41, 177)})
    return [one, other], filtered("all three", {("mail", "news", "maps"): (80, 297)})


def four_overlapping_filters():
    """Differences of four sets leave one service."""
    earlier = {("mail", "news"): (70, 300), ("news", "maps"): (80, 310), ("maps", "music"): (75, 190)}
    later = {("mail", "maps"): (80, 306)}  # mail + maps: 2 mail = 300 - 310 + 306
    return [filtered("three", earlier)], filtered("a fourth", later)


def all_but_one_service():
    """All uses less those of mail."""
    everything = filtered("all", {SERVICES: (40, 177)})
    return [everything], filtered("mail", {("mail",): (40, 120)})


CASES = [
    pytest.param(two_groupings, id="prefectures and regions"),
    pytest.param(three_groupings, id="prefectures, regions and coasts"),
    pytest.param(overlapping_filters, id="three overlapping filters"),
    pytest.param(all_but_one_service, id="all but one service"),
    pytest.param(weeks_and_month, id="weeks in a month"),
    pytest.param(last_week_in_month, id="a day in a week"),
    pytest.param(all_and_clicks, id="a sub-population"),
    pytest.param(two_recipients, id="a second recipient"),
    pytest.param(a_dominated_week_and_its_days, id="a total that two persons dominate"),
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_safe_alone_is_attacked_together(case):
    first, second = case()
    earlier = []
    for issue in first:
        earlier.append(out(issue, earlier)[0])
    careless, _ = out(second)
    assert audit(earlier) == ()
    assert audit([careless]) == (), "each is safe by itself"
    told = (*audit([*earlier, careless]), *unmet_needs(careless, second.tables, RULES, earlier))
    assert told, "the attack works"
    careful, done = out(second, earlier)
    assert audit([*earlier, careful]) == ()
    assert unmet_needs(careful, second.tables, RULES, earlier) == ()
    assert done.for_earlier > 0, "and it says what that costs"


def test_what_is_out_already_cannot_be_saved():
    """The month and all of its partners but one were published by hand: the last one follows, whatever is hidden."""
    month = by_partner(MONTH, "month", {"p": (50, 200), "q": (60, 100), "r": (4, 9)})
    careless = replace(
        month, tables=tuple(out(by_partner(MONTH, "month", {"p": (50, 200), "q": (60, 100), "r": (14, 19)}))[0].tables)
    )
    frame = careless.tables[0].frame.copy()
    frame.loc[frame["partner"] == "r", ["persons", "persons_status", "events", "events_status"]] = [
        pd.NA,
        "C",
        pd.NA,
        "C",
    ]
    frame.loc[frame["partner"] == TOTAL, ["persons", "events"]] = [114, 309]
    earlier = replace(careless, tables=(replace(careless.tables[0], frame=frame),))
    later = by_partner(MONTH, "later", {"p": (50, 200), "q": (60, 100), "r": (4, 9)})
    with pytest.raises(ProtectionError, match="what is out already gives it away"):
        out(later, [earlier])


@pytest.mark.parametrize(
    ("later", "told"),
    [
        pytest.param({"p": (50, 200), "q": (60, 100), "r": (40, 89)}, False, id="nothing changed"),
        pytest.param({"p": (47, 197), "q": (60, 100), "r": (40, 89)}, True, id="three persons deleted"),
        pytest.param({"p": (63, 213), "q": (60, 100), "r": (40, 89)}, False, id="thirteen persons came late"),
        pytest.param({"p": (63, 213), "q": (48, 87), "r": (40, 89)}, True, id="thirteen came, twelve went: the total tells one"),
    ],
)  # fmt: skip
def test_a_corrected_version_minus_its_original(later, told):
    first, _ = out(by_partner(MONTH, "v1", {"p": (50, 200), "q": (60, 100), "r": (40, 89)}))
    second, _ = out(by_partner(MONTH, "v2", later), [first])
    assert bool(audit([first, second])) is told


def by_two(name, inner, shown):
    """Persons by row and column, as published: margins, and which of the inner cells."""
    rows, columns = (by(n, c, DimensionKind.PERSON) for n, c in (("row", ("1", "2", "3")), ("column", ("a", "b"))))
    counts = dict(inner)
    for row, column in inner:
        for at in ((row, TOTAL), (TOTAL, column), (TOTAL, TOTAL)):
            counts[at] = counts.get(at, 0) + inner[row, column]
    true_table = table([rows, columns], {at: (n,) for at, n in counts.items()}, measures()[:1])
    hidden = [at not in shown for at in zip(*(true_table.frame[key] for key in true_table.keys), strict=True)]
    frame = true_table.frame.assign(
        persons=true_table.frame["persons"].astype("Int64").mask(hidden),
        persons_status=["C" if at else "F" for at in hidden],
    )
    safe = SafeTable(
        "t", TITLE, true_table.dimensions, true_table.measures, frame, 10, method=Method.SUPPRESSION
    )  # fmt: skip
    return Issue(name, MONTH, (safe,), 10)


ROWS_AND_COLUMN = {("1", TOTAL), ("2", TOTAL), (TOTAL, "b"), ("3", "b")}
BEFORE = {("1", "a"): 40, ("1", "b"): 45, ("2", "a"): 50, ("2", "b"): 55, ("3", "a"): 35, ("3", "b"): 60}


@pytest.mark.parametrize(
    ("came", "told"),
    [
        pytest.param({("1", "a"): 1, ("1", "b"): 11, ("2", "a"): 2, ("2", "b"): 9}, True, id="three in column a of two rows"),
        pytest.param({("1", "a"): 12, ("1", "b"): 11, ("2", "a"): 2, ("2", "b"): 9}, False, id="fourteen there"),
        pytest.param({("1", "b"): 11, ("2", "b"): 12}, False, id="nobody there"),
        pytest.param({("1", "a"): -1, ("1", "b"): -11, ("2", "a"): -2, ("2", "b"): -9}, True, id="three went"),
    ],
)  # fmt: skip
def test_differences_of_two_versions_are_solved_as_a_table(came, told):
    """Two rows less a column: each of them changed by nobody or by ten, and what they leave by three."""
    first = by_two("v1", BEFORE, ROWS_AND_COLUMN)
    second = by_two("v2", {at: n + came.get(at, 0) for at, n in BEFORE.items()}, ROWS_AND_COLUMN)
    assert bool(audit([second, first])) is told


OF_FEW = {"p": 3, "q": 4, "r": 12, "s": 40}


@pytest.mark.parametrize(
    ("came", "changers", "told"),
    [
        pytest.param({"p": 1, "q": 9}, {"p": 1, "q": 9}, {"q": (0, 9), "r": (0, 9)}, id="one, and nine"),
        pytest.param({"p": 1, "q": 10}, {"p": 1, "q": 10}, {}, id="one, and ten"),
        pytest.param({"p": 2, "q": 8}, {"p": 2, "q": 8}, {}, id="nobody came alone"),
        pytest.param({"p": 0, "q": 10}, {"p": 2, "q": 10}, {}, id="one came to p and another left it"),
        pytest.param({"p": -1, "q": -9}, {"p": 1, "q": 9}, {"q": (0, 9), "r": (0, 9)}, id="one went, and nine"),
    ],
)
def test_who_came_alone_learns_of_no_few_who_came_with_him(came, changers, told):
    """Ten came to three classes that both states hide, which is of enough before everybody else."""
    before = OF_FEW if min(came.values()) >= 0 else OF_FEW | {"q": 14}
    after = {code: n + came.get(code, 0) for code, n in before.items()}
    of = [grouped(name, counts) for name, counts in (("v1", before), ("v2", after))]
    first, second = (hiding(issue, {"p", "q", "r"}) for issue in of)
    assert audit([first, second]) == ()
    published, truth = link([second, first]), link([of[1], first])
    codes = dict(zip(of[1].tables[0].frame["prefecture"], published.places[0], strict=True))
    changed = Changed(*(np.zeros(published.cells) for _ in range(2)))
    for code, n in came.items():
        changed.apart[codes[code]], changed.persons[codes[code]] = n, changers[code]
    changed.apart[codes[TOTAL]], changed.persons[codes[TOTAL]] = sum(came.values()), sum(changers.values())
    found = unmet_between(published, Truth(truth, {"v2"}, of[1].tables, RULES, changed))
    assert {finding.cell.removeprefix("prefecture="): (finding.low, finding.high) for finding in found} == told
    why = "two states of the logs, by the only one to change t.persons, prefecture=p"
    assert all(finding.derived_from == (why,) for finding in found)


def test_what_is_out_of_the_state_before_contradicts_nothing_of_the_one_now():
    """More uses of mail than there were of all services before: what a figure needs is asked of its own state."""
    before, now = filtered("all", {SERVICES: (40, 177)}), filtered("mail", {("mail",): (60, 240)})
    linked = link([now, before])
    assert not agrees(linked)
    changed = Changed(*(np.full(linked.cells, np.nan) for _ in range(2)))
    for places, apart in zip(linked.places, (25, 100), strict=False):
        changed.apart[places], changed.persons[places] = apart, 25
    assert unmet_between(linked, Truth(linked, {"mail"}, now.tables, RULES, changed)) == ()


def hiding(issue, codes):
    """Persons of one dimension, as they are published with some of them hidden."""
    (of,) = issue.tables
    hidden = of.frame[of.keys[0]].isin(codes)
    frame = of.frame.assign(persons=of.frame["persons"].astype("Int64").mask(hidden), persons_status="F")
    frame.loc[hidden, "persons_status"] = "C"
    safe = SafeTable("t", TITLE, of.dimensions, of.measures, frame, 10, method=Method.SUPPRESSION)
    return replace(issue, tables=(safe,))


def test_what_the_original_hid_stays_hidden():
    """The corrected figures alone would hide another partner beside the small one; then each version tells the other."""
    partners = ("p", "q", "r", "s")
    original = {"p": (4, 9), "q": (20, 30), "r": (35, 40), "s": (50, 60)}
    late = original | {"q": (60, 70)}
    first, second = (
        true(name, MONTH, table([by("partner", partners)], {**c, TOTAL: tuple(map(sum, zip(*c.values(), strict=True)))}, measures()))
        for name, c in (("v1", original), ("v2", late))
    )  # fmt: skip
    published, _ = out(first)
    careless, _ = out(second)
    assert [finding.derived_from for finding in audit([published, careless])]
    careful, _ = out(second, [published])
    assert audit([published, careful]) == ()


def two_measures(name, figures, groups=None):
    """Persons and uses by one attribute, or by groups of its codes and in all; each person's uses are alike."""
    codes = {}
    for code, numbers in figures.items():
        at = code if groups is None else groups[code]
        codes[at] = tuple(map(sum, zip(codes.get(at, (0, 0)), numbers, strict=True)))
    if groups is not None:
        codes[TOTAL] = tuple(map(sum, zip(*figures.values(), strict=True)))
    consists = {at: tuple(c for c in figures if groups[c] == at) for at in codes if at != TOTAL} if groups else {}
    listed = tuple(code for code in codes if code != TOTAL)
    dimension = by("prefecture", listed, DimensionKind.PERSON, consists=consists)
    each = {
        code: (events, 0) if persons == 1 else (events // persons,) * 2 for code, (persons, events) in codes.items()
    }
    return true(name, MONTH, table([dimension], codes, measures(), each))


ONE_AND_NINE = {"tokushima": (1, 40), "kagawa": (9, 80), "ehime": (25, 200), "osaka": (12, 90), "nara": (60, 500)}
WEST = {"tokushima": "east", "kagawa": "east"} | dict.fromkeys(("ehime", "osaka", "nara"), "west")


def test_who_is_alone_in_an_earlier_figure_learns_nothing_from_a_later_one():
    """120 uses of two prefectures are safe before everybody else; less the own 40 they are those of nine persons."""
    first, _ = out(two_measures("prefectures", ONE_AND_NINE))
    later = two_measures("coasts", ONE_AND_NINE, WEST)
    forgotten = replace(first, standing=tuple(replace(need, alone=None) for need in first.standing))
    careless, _ = out(later, [forgotten])
    assert audit([first, careless]) == ()
    assert unmet_needs(careless, later.tables, RULES, [forgotten]) == ()
    (told,) = unmet_needs(careless, later.tables, RULES, [first])
    assert (told.release, told.cell, told.low, told.high) == ("prefectures", "prefecture=kagawa", 80, 80)
    assert told.derived_from[-1] == "the only person of t.events, prefecture=tokushima"
    careful, _ = out(later, [first])
    assert unmet_needs(careful, later.tables, RULES, [first]) == ()
    assert audit([first, careful]) == ()

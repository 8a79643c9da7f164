"""The dossier's page: what its first screen holds, what is inert in it, what it draws, and what it never says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import product

import numpy as np
import pytest
from harness.dossiers import PASSED, dimension, facts, months_out, nothing_out, table

from anonymization.policy.releases import DimensionKind
from anonymization.tables.audit.findings import Finding
from anonymization.tables.model import TOTAL
from jobs.dossier.drawing import SCALE, classes, colours
from jobs.dossier.history import Change, Compared, History
from jobs.dossier.mesh import square
from jobs.dossier.page import as_html, checked
from jobs.dossier.plots import plots
from jobs.dossier.tables import FIRST, MOST_ROWS, levels_of, shown, smallest

REGIONS = {"a": ("North", "北"), "b": ("South", "南"), "c": ("East", "東")}
AGES = {"0-39": ("0 to 39", "0〜39歳"), "40-over": ("40 and over", "40歳〜")}
VOID = {"meta", "br", "link"}


class Read(HTMLParser):
    """A page as it is read: elements with their attributes, ids, headings, text; elements that are not closed."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.text, self.headings, self.by = [], [], "", [], {}
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.text += " " if tag in ("title", "desc", "svg", "td", "th") else ""

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(self.text.split())


def people(**more):
    regions, ages = (
        dimension("region", REGIONS, kind=DimensionKind.PERSON),
        dimension("age", AGES, kind=DimensionKind.PERSON),
    )
    cells = {(TOTAL, TOTAL): 300, **{(r, TOTAL): 100 for r in REGIONS}, **{(TOTAL, a): 150 for a in AGES}}
    cells |= dict.fromkeys(product(REGIONS, AGES), 50) | {("a", "0-39"): None, ("a", "40-over"): None}
    return table([regions, ages], cells, **more)


def places(codes):
    mesh = dimension("mesh", codes)
    return table([mesh], {(TOTAL,): 100_000, **{(code,): 10 + n % 500 for n, code in enumerate(codes)}})


def typed(keyword):
    return table([dimension("keyword", [keyword], open=True)], {(TOTAL,): 500, (keyword,): 60})


def test_the_first_screen_holds_what_decides(policies):
    utility = [
        {
            "table": "cells",
            "measure": "persons",
            "headlines": (5, 6),
            "cells": (10, 12),
            "finest": (200, 300),
            "every": (1100, 1200),
            "missing": (),
            "months": 0,
        }
    ]
    said = {"earlier": ["monthly-audience 2023-01 v1"], "shown": 1_234, "unknowns": 77}
    history = months_out(3)
    since = Compared(
        "the last period",
        "monthly-audience 2023-03 v1",
        (Change("Persons", "everybody", 200, 300),),
        (Change("Persons", "Region: North", 80, 100),),
    )
    read = Read(
        as_html(
            facts(policies, people(), utility=utility, verdict={"attack": said}, gaps={"clicks": {"2026-10-03": "0"}}),
            History(history.out, history.had, (since,)),
        )
    )
    first = read.words[: read.words.index("Pictures")]
    for told in (
        "Users, subscribers and browsing persons", "Media research institute (third_party, contract DATA-2026-001)", "Preparation and utilization of statistical information", "2(2)",
        "3 publications: Monthly audience 2023-03 v1; Monthly audience 2023-02 v1 (withdrawn);", "10 of 12", "5 of 6", "66.7%", "91.7%",
        "50 Persons", "Region: South, Age: 0 to 39; nothing under 10 may be", "Nothing against 77 unknowns", "by 1,234 published", "monthly-audience 2023-01 v1 (Media research institute)",
        "Logs are missing: clicks lacks 2026-10-03", "Persons 200 → 300 (+50.0%)", "Persons Region: North 80 100 +25.0%", "Nobody opted out", "The gate is open. Checked 2026-12-01 01:00 Asia/Tokyo",
    ):  # fmt: skip
        assert told in first, told


CASES = {
    "with everything": people,
    "empty": lambda: table([dimension("region", REGIONS)], {}),
    "all hidden": lambda: table([dimension("region", REGIONS)], {(code,): None for code in (TOTAL, *REGIONS)}),
    "nothing to draw": lambda: typed("rain"),
    "a place alone": lambda: places(["53394525"]),
    "HTML": lambda: typed("<script>alert(1)</script><img src=x onerror=alert(1)>"),
    "an address": lambda: typed("https://evil.example/q?a=1"),
    "HTML in a label that is drawn": lambda: table(
        [
            dimension("region", {"a": ("<b onclick=x>&", "あ"), "b": ("$x^2$", "い")}, kind=DimensionKind.PERSON),
            dimension("age", AGES),
        ],
        dict.fromkeys(product("ab", AGES), 50),
    ),
    "a template": lambda: typed("{{ 7 * 7 }} {% raw %}"),
    "a formula": lambda: typed("=HYPERLINK(1)"),
    "what is not seen": lambda: typed("a\u202eb\u200b"),
}


@pytest.mark.parametrize("made", CASES.values(), ids=CASES)
def test_a_page_stands_by_itself_and_can_be_read(policies, made):
    told = facts(policies, made(), columns={"mesh": "mesh"})
    page = as_html(told, nothing_out())
    assert page == as_html(told, nothing_out())
    read = Read(page)
    assert {"script", "img", "b"} & {tag for tag, _ in read.elements} <= {"script", "b"}
    assert len(read.all("script")) == 1 == len(read.all("h1")) == len(read.all("title")) - len(read.all("svg"))
    assert not [attributes for _, attributes in read.elements if any(name.startswith("on") for name in attributes)]
    assert not [
        name
        for _, attributes in read.elements
        for name in ("src", "srcset", "xlink:href", "action")
        if name in attributes
    ]
    assert all(attributes["href"].startswith("#") for _, attributes in read.elements if "href" in attributes)
    assert "@import" not in page
    assert not {"\u202e", "\u200b"} & set(page)
    assert re.findall(r"url\((?!#)", page) == []
    assert read.all("html") == [{"lang": "en"}]
    assert all(below - above <= 1 for above, below in zip(read.headings, read.headings[1:], strict=False))
    assert all(one["role"] == "img" and one["aria-label"] for one in read.all("svg"))
    assert all(one.get("scope") in ("col", "row") for one in read.all("th"))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for attributes in read.all("a") + read.all("use")} <= set(ids)


@pytest.mark.parametrize("made", [made for name, made in CASES.items() if name != "an address"])
def test_nothing_outside_is_named(policies, made):
    assert (
        re.search(r"https?:|//\w|www\.", as_html(facts(policies, made(), columns={"mesh": "mesh"}), nothing_out()))
        is None
    )


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("empty", "This table has no rows: nothing would leave."),
        ("empty", "No figure of persons is published."),
        ("all hidden", "No figure of persons is published."),
        ("a template", "{{ 7 * 7 }} {% raw %}"),
        ("HTML", "<script>alert(1)</script><img src=x onerror=alert(1)>"),
        ("HTML in a label that is drawn", "<b onclick=x>&"),
        ("HTML in a label that is drawn", "$x^2$"),
        ("what is not seen", "a\\u202eb\\u200b"),
        ("a formula", "=HYPERLINK(1)"),
    ],
)
def test_it_says_so(policies, case, words):
    assert words in Read(as_html(facts(policies, CASES[case]()), nothing_out())).words


UTILITY = {
    "table": "cells",
    "measure": "persons",
    "headlines": (1, 1),
    "cells": (60, 171),
    "finest": (55, 100),
    "every": (90, 100),
}


@pytest.mark.parametrize(
    ("release", "utility", "closed", "first"),
    [
        pytest.param("search-trends", UTILITY, "", "The gate is open, but most of this release is withheld; what leaves is of persons 60 of 171 cells and 55.0% of the finest figures. What may help: none of its dimensions", id="most of it withheld, and no levels to choose"),
        pytest.param("monthly-audience", UTILITY | {"finest": (40, 100), "cells": (100, 171)}, "", "The gate is open, but most of this release is withheld; what leaves is of persons 100 of 171 cells and 40.0%", id="of cells more than half, of figures less"),
        pytest.param("monthly-audience", UTILITY | {"cells": (86, 171)}, "", "The gate is open. Checked", id="more than half of both"),
        pytest.param("monthly-audience", UTILITY | {"cells": (0, 0), "finest": (0, 0)}, "", "The gate is open. Checked", id="nobody is in it"),
        pytest.param("search-trends", UTILITY, "the gate is closed: <b>because</b>", "The gate is closed. the gate is closed: <b>because</b>", id="closed"),
    ],
)  # fmt: skip
def test_the_first_line_says_how_it_stands(policies, release, utility, closed, first):
    told = facts(policies, people(), release=release, utility=[utility], closed=closed)
    body = Read(as_html(told, nothing_out())).words
    assert body[body.index("The gate") :].startswith(first)
    assert (told.warning != "") == ("most of this" in first)


def test_a_closed_gate_tells_what_its_attacks_found(policies):
    found = Finding("the candidate", "cells", "persons", "keyword=<i>\u202e", 3, 4, ("cells.persons, _T",))
    words = Read(as_html(facts(policies, people(), closed="closed", findings=[found]), nothing_out())).words
    told = "1 figure of a few follows from what is published, the narrowest interval left first:"
    assert f"{told} the candidate, cells.persons, keyword=<i>\\u202e: 3 to 4, from cells.persons, _T" in words
    assert "the narrowest" not in Read(as_html(facts(policies, people(), closed="closed"), nothing_out())).words


@pytest.mark.parametrize(
    ("expected", "helps"),
    [(None, "`noren init --expect PERSONS`"), (5_000, "`noren plan monthly-audience --period 2026-10`")],
)
def test_what_may_help_is_the_plan_where_levels_were_chosen(policies, expected, helps):
    assert helps in facts(policies, people(), expected=expected, utility=[UTILITY]).warning


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        pytest.param(PASSED, "passed", id="looked at something"),
        pytest.param(PASSED | {"checked": 0}, "nothing to check", id="of nothing, though it says passed"),
        pytest.param({k: v for k, v in PASSED.items() if k != "checked"}, "nothing to check", id="of who knows what"),
        pytest.param({k: v for k, v in PASSED.items() if k != "outcome"}, "nothing to check", id="without an outcome"),
        pytest.param(PASSED | {"outcome": "fine"}, "nothing to check", id="an outcome that nobody knows"),
        pytest.param(PASSED | {"outcome": "not applicable"}, "not applicable", id="not applicable"),
        pytest.param(PASSED | {"outcome": "FAILED"}, "FAILED", id="failed"),
    ],
)
def test_only_what_looked_at_something_has_passed(check, outcome):
    assert checked(check).outcome == outcome


HEADLINE = {**UTILITY, "missing": (("region=a, age=0-39", "others that are unsafe would follow from it"),)}


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param({}, ["hidden: unsafe itself, or for others"] * 2, id="nothing is known"),
        pytest.param({"figures": {"cells unsafe by themselves": 2}}, ["hidden: unsafe itself"] * 2, id="as many are unsafe as are hidden"),
        pytest.param({"figures": {"cells unsafe by themselves": 1}}, ["hidden: unsafe itself, or for others"] * 2, id="one of two"),
        pytest.param({"utility": [HEADLINE]}, ["hidden: others that are unsafe would follow from it", "hidden: unsafe itself, or for others"], id="a headline, of which the build says why"),
    ],
)  # fmt: skip
def test_what_is_hidden_is_told_by_kind(policies, request_, statuses):
    one = people()
    rows = shown(one, facts(policies, one, **request_)).rows
    assert [row.figures[0].status for row in rows if not row.figures[0].value] == statuses
    assert {row.figures[0].status for row in rows if row.figures[0].value} == {""}


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        pytest.param({}, "2 figures are hidden. Of the cells: none unsafe by itself; any others for the sake of these.", id="nothing counted"),
        pytest.param({"cells unsafe by themselves": 1}, "2 figures are hidden. Of the cells: 1 unsafe by themselves; any others for the sake of these.", id="unsafe"),
        pytest.param({"cells unsafe by themselves": 1, "cells confidential because of earlier releases alone": 1}, "Of the cells: 1 unsafe by themselves, 1 hidden for what is out already;", id="for earlier ones"),
    ],
)  # fmt: skip
def test_it_says_for_what_cells_are_hidden(policies, figures, told):
    assert told in Read(as_html(facts(policies, people(), figures=figures), nothing_out())).words
    assert "figures are hidden" not in as_html(facts(policies, typed("rain"), figures=figures), nothing_out())


def test_a_figure_of_a_day_without_logs_is_no_zero(policies):
    one = table(
        [dimension("day", ["2026-10-03", "2026-10-04"], by_day=True)], {("2026-10-03",): 0, ("2026-10-04",): 40}
    )
    rows = shown(one, facts(policies, one, gaps={"clicks": {"2026-10-03": "0"}})).rows
    assert [row.figures[0].status for row in rows] == ["logs are missing", ""]


def test_of_ten_thousand_places_the_first_are_shown_and_the_rest_counted(policies):
    codes = [
        f"{first}{a}{b}{c}{d}" for first, a, b, c, d in product((5339, 5340), range(8), range(8), range(10), range(10))
    ]
    made = places(codes[:10_000])
    told = shown(made, facts(policies, made))
    assert (len(told.rows), told.more, told.order) == (MOST_ROWS, len(made.frame) - MOST_ROWS, FIRST)
    sizes = [int(row.figures[0].value) for row in told.rows]
    assert sizes == [100_000, *sorted(sizes[1:], reverse=True)]
    page = as_html(facts(policies, made, columns={"mesh": "mesh"}), nothing_out())
    assert f"{told.more:,} more rows are in the package and not shown here" in page
    assert len(page) < 2_000_000


def test_of_thirty_six_months_the_last_are_told_and_the_rest_are_there(policies):
    told = facts(
        policies,
        people(),
        verdict={"attack": {"earlier": [f"monthly-audience {n} v1" for n in range(36)], "shown": 9, "unknowns": 3}},
    )
    words = Read(as_html(told, months_out(36))).words
    assert (
        "36 publications: Monthly audience 2025-12 v1; Monthly audience 2025-11 v1; Monthly audience 2025-10 v1 … all 36"
        in words
    )
    assert "Together with 36 earlier releases" in words
    assert "Monthly audience 2023-02 v1, 2023-02-28 09:00 Asia/Tokyo, withdrawn" in words


DRAWN = {
    "two attributes of persons": (people, {}, ["Persons by Region and Age", "Cost of protection: cells of Persons by level", "Sizes of published cells of Persons"]),
    "hidden cells are not listed": (lambda: people(withheld=True), {}, ["Persons by Region and Age", "Sizes of published cells of Persons"]),
    "an open vocabulary": (lambda: typed("rain"), {"keyword": "keyword"}, ["Cost of protection: cells of Persons by level", "Sizes of published cells of Persons"]),
    "hours": (lambda: table([dimension("hour", ["00", "01", "02"])], {("00",): 20, ("01",): None, ("02",): 90}), {"hour": "hour"}, ["Persons by Hour", "Cost of protection: cells of Persons by level", "Sizes of published cells of Persons"]),
    "places": (lambda: places(["533945", "53394525", "53394526"]), {"mesh": "mesh"}, ["Persons by Mesh", "Persons by Mesh in 5339, the square of 80 km with most of them", "Cost of protection: cells of Persons by level", "Sizes of published cells of Persons"]),
    "a code that is no square": (lambda: places(["unknown"]), {"mesh": "mesh"}, ["Cost of protection: cells of Persons by level", "Sizes of published cells of Persons"]),
    "more codes than an axis has": (lambda: table([dimension("x", [f"{n:03}" for n in range(70)]), dimension("y", AGES)], {(f"{n:03}", a): 50 for n in range(70) for a in AGES}), {}, ["Cost of protection: cells of Persons by level", "Sizes of published cells of Persons"]),
    "nothing": (lambda: table([dimension("region", REGIONS)], {}), {}, []),
}  # fmt: skip


@pytest.mark.parametrize(("made", "columns", "titles"), DRAWN.values(), ids=DRAWN)
def test_only_what_a_table_has_is_drawn(made, columns, titles):
    drawn = list(plots(made(), columns))
    assert [one.title for one in drawn] == titles
    for one in drawn:
        assert Read(one.svg).words.startswith(f"{one.title} {one.told.split()[0]}")
        assert "#0b0b0" not in one.svg


def test_a_heat_map_has_its_figures_as_texts():
    drawn = next(plots(people(), {}))
    assert Read(drawn.svg).words.count("50") >= 4
    assert Read(drawn.svg).words.count("·") == 2
    assert "from 50 to 50; 2 hidden" in drawn.told


def test_labels_that_are_drawn_are_texts_and_no_formulas():
    words = " ".join(Read(one.svg).words for one in plots(CASES["HTML in a label that is drawn"](), {}))
    assert "$x^2$" in words
    assert "<b onclick=x>&" in words


@pytest.mark.parametrize(
    ("code", "west", "south", "width", "height"),
    [
        pytest.param("5339", 139, 35 + 1 / 3, 1, 2 / 3, id="80 km: Tokyo"),
        pytest.param("533945", 139.625, 35 + 2 / 3, 1 / 8, 1 / 12, id="10 km"),
        pytest.param("53394525", 139.6875, 35 + 2 / 3 + 2 / 120, 1 / 80, 1 / 120, id="1 km: Shinjuku"),
        pytest.param("533945251", 139.6875, 35 + 2 / 3 + 2 / 120, 1 / 160, 1 / 240, id="500 m: south west"),
        pytest.param("533945252", 139.6875 + 1 / 160, 35 + 2 / 3 + 2 / 120, 1 / 160, 1 / 240, id="500 m: south east"),
        pytest.param("533945254", 139.6875 + 1 / 160, 35 + 2 / 3 + 2 / 120 + 1 / 240, 1 / 160, 1 / 240, id="500 m: north east"),
    ],
)  # fmt: skip
def test_a_square_lies_where_the_standard_has_it(code, west, south, width, height):
    assert square(code) == pytest.approx((west, south, width, height))


@pytest.mark.parametrize("values", [[0, 0], [5], [0, 3, 1_000_000], [np.nan], [1, 1.5, 2], [12, 700, np.nan]])
def test_classes_hold_every_value(values):
    values = np.array(values, dtype=float)
    bounds, faces = classes(values), colours(values, classes(values))
    assert len(bounds) <= len(SCALE)
    assert bounds == sorted(set(bounds))
    assert not np.any(values < bounds[0])
    assert [face == "" for face in faces] == np.isnan(values).tolist()


def test_levels_and_smallest():
    one = people()
    assert [tuple(level) for level in levels_of(one, one.measures[0])] == [
        ("grand total", 1, 0),
        ("region", 3, 0),
        ("age", 2, 0),
        ("region × age", 4, 2),
    ]
    assert [(s.value, s.cell) for s in smallest([one])] == [(50, "Region: South, Age: 0 to 39")]

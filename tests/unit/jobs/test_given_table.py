"""Anyone's tables: margins made and checked, hierarchies, contributions, and what is wrong with an input."""

from __future__ import annotations

import pytest

from anonymization.errors import InputError
from anonymization.tables.given import read_given

TABLE = "place,kind,n\na,x,5\na,y,7\nb,x,1\nb,y,0\n"
MARGINS = "a,_T,12\nb,_T,1\n_T,x,6\n_T,y,7\n_T,_T,13\n"


def read(tmp_path, text, hierarchies=None, *, contributions=False, name="t.csv", dimensions=("place", "kind")):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    files = {}
    for dimension, contents in (hierarchies or {}).items():
        for number, content in enumerate(contents):
            file = tmp_path / f"{dimension}{number}.csv"
            file.write_text(content)
            files.setdefault(dimension, []).append(file)
    return read_given(path, dimensions, files, "n", contributions=contributions)


def figures(table, measure="n"):
    keys = table.keys
    return {tuple(row[k] for k in keys): int(row[measure]) for row in table.frame.to_dict("records")}


@pytest.mark.parametrize(
    "text", [TABLE, TABLE + MARGINS, TABLE.replace(",", ";")], ids=["made", "checked", "semicolon"]
)
def test_margins(tmp_path, text):
    given = read(tmp_path, text)
    (table,) = given.tables
    assert figures(table)["_T", "_T"] == 13
    assert figures(table)["a", "_T"] == 12
    assert len(table.frame) == 9
    assert given.margins == (5 if "_T" in text else 0)


def test_a_hierarchy_adds_its_levels(tmp_path):
    given = read(tmp_path, TABLE, {"place": ["a;north;all\nb;south;all\n"]})
    (table,) = given.tables
    assert figures(table)["north", "x"] == 5
    assert "all" not in set(table.frame["place"]), "a level of one label is the total"


def test_two_hierarchies_are_two_linked_tables(tmp_path):
    given = read(tmp_path, TABLE, {"place": ["a;north\nb;south\n", "a;east\nb;west\n"]})
    assert [sorted(set(t.frame["place"])) for t in given.tables] == [
        ["_T", "a", "b", "north", "south"],
        ["_T", "a", "b", "east", "west"],
    ]


def test_contributions_give_the_two_largest_and_their_number(tmp_path):
    text = "place,kind,n\na,x,50\na,x,30\na,x,8\na,y,0\nb,x,4\n"
    (table,) = read(tmp_path, text, contributions=True).tables
    rows = {tuple(r): i for i, r in enumerate(table.frame[table.keys].itertuples(index=False, name=None))}
    largest = table.largest["n"].iloc[rows["a", "x"]]
    assert (largest["first"], largest["second"]) == (50, 30)
    assert table.contributors["n"][rows["a", "x"]] == 3
    assert table.contributors["n"][rows["a", "y"]] == 0
    assert table.contributors["n"][rows["_T", "_T"]] == 4


def test_decimals_are_scaled(tmp_path):
    given = read(tmp_path, TABLE.replace("5\n", "5.25\n"))
    assert given.scale == 100
    assert figures(given.tables[0])["a", "x"] == 525


@pytest.mark.parametrize(
    ("text", "hierarchies", "message"),
    [
        pytest.param(TABLE.replace("7", "-7"), None, "line 3: 'n' is negative", id="a negative count"),
        pytest.param(TABLE.replace("7", "many"), None, "line 3: 'n' is no number", id="no number"),
        pytest.param(TABLE + MARGINS.replace("12", "13"), None, "1 margins do not add up, the first at place=a, kind=_T", id="a margin that does not add up"),
        pytest.param(TABLE + "a,_T,12\n", None, r"some margins but not place=_T, kind=_T \(4 are missing\)", id="some margins without the others"),
        pytest.param("place,kind,n\n_T,x,4\n", None, "margins alone", id="margins alone"),
        pytest.param(TABLE, {"place": ["a;north\n"]}, "does not cover 'place': it has no row for 'b'", id="a hierarchy that does not cover"),
        pytest.param(TABLE, {"place": ["a;b\nb;c\n"]}, "'b' stands on several levels", id="a code on several levels"),
        pytest.param("place,n\na,1\n", None, "no column 'kind'", id="a missing column"),
        pytest.param("place,kind,n\n", None, "holds no rows", id="no rows"),
    ],
)  # fmt: skip
def test_wrong_tables_are_told(tmp_path, text, hierarchies, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, hierarchies)

"""Whatever the rows and hierarchies: what is written, read again by plain means, is what was asked and reported."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.errors import Refusal
from anonymization.microdata.files.anonymize import anonymize
from anonymization.microdata.files.request import Request
from anonymization.microdata.loss import Metric

pytestmark = pytest.mark.usefixtures("kernels")

MANY = examples(60)
LABELS = st.text(st.sampled_from("ab;,\"' *é改\t"), min_size=1, max_size=4).map(str.strip).filter(bool)


@st.composite
def trees(draw):
    """Rows of a hierarchy: 1 to 6 values, 1 to 4 levels, the last not always one label."""
    values = draw(st.lists(LABELS.filter(lambda text: text != "*"), min_size=1, max_size=6, unique=True))
    rows = [[value] for value in values]
    for level in range(1, draw(st.integers(1, 4))):
        names = sorted({row[-1] for row in rows})
        parent = {name: f"{level}.{draw(st.integers(0, max(0, len(names) - 2)))}" for name in names}
        for row in rows:
            row.append(parent[row[-1]])
    return rows


@st.composite
def cases(draw):
    columns = {name: draw(trees()) for name in ("q,1", "q2", "q;3")[: draw(st.integers(1, 3))]}
    size = draw(st.integers(1, 30))
    value = {name: st.sampled_from([row[0] for row in rows] + [""]) for name, rows in columns.items()}
    rows = [
        {"id": str(i)} | {name: draw(value[name]) for name in columns} | {"s": draw(st.sampled_from("xyz"))}
        for i in range(size)
    ]
    return (
        columns,
        rows,
        draw(st.integers(1, 6)),
        draw(st.sampled_from([0.0, 0.2, 0.5, 1.0])),
        draw(st.sampled_from([1, 2])),
    )


def write(path, header, rows, mark):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=mark, quoting=csv.QUOTE_ALL)
        writer.writerows([header, *rows] if header else rows)


@MANY
@given(cases(), st.sampled_from(list(Metric)), st.sampled_from(",;|\t"))
def test_full_domain_recoding_is_what_was_asked(tmp_path_factory, case, metric, mark):
    done = anonymized(tmp_path_factory.mktemp("case"), case, mark, metric=metric)
    if done is None:
        return
    columns, rows, after, report = done
    for name, tree in columns.items():
        level = report["levels"][name]
        stands_for = {row[0]: row[level] for row in tree}
        if len({row[level] for row in tree}) == 1 and level == len(tree[0]) - 1 > 0:
            stands_for[""] = tree[0][level]
        for before, row in zip(rows, after, strict=True):
            assert row[name] == stands_for.get(before[name], "") or all(row[one] == "*" for one in columns)


@MANY
@given(cases(), st.sampled_from([Metric.LOSS, Metric.LOSS_ARITHMETIC]), st.sampled_from([0, 5_000, None]))
def test_local_recoding_is_what_was_asked(tmp_path_factory, case, metric, work):
    done = anonymized(tmp_path_factory.mktemp("case"), case, ",", metric=metric, recoding="local", work=work)
    if done is None:
        return
    columns, rows, after, _ = done
    for name, tree in columns.items():
        stands_for = {row[0]: {*row, "*"} for row in tree}
        top = {row[-1] for row in tree}
        for before, row in zip(rows, after, strict=True):
            assert row[name] in stands_for.get(before[name], {"", "*", *(top if len(top) == 1 else ())})


def anonymized(folder, case, mark, **more):
    """Anonymize a case; its columns and rows, the rows written and the report, checked; none where it is refused."""
    columns, rows, k, limit, diversity = case
    (folder / "h").mkdir()
    for name, tree in columns.items():
        write(folder / "h" / f"{name}.csv", None, tree, ";")
    write(folder / "in.csv", list(rows[0]), [list(row.values()) for row in rows], mark)
    request = Request(
        folder / "in.csv", tuple(columns), folder / "h", min(k, len(rows)), folder / "out.csv", limit,
        sensitive="s", l=diversity, report=folder / "r.json", **more,
    )  # fmt: skip
    try:
        anonymize(request)
    except Refusal:
        assert sorted(path.name for path in folder.iterdir()) == ["h", "in.csv"]
        return None
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        after = list(csv.DictReader(file, delimiter=mark))
    report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    check(columns, rows, after, report, request)
    return columns, rows, after, report


def check(columns, rows, after, report, request):
    assert [(row["id"], row["s"]) for row in after] == [(row["id"], row["s"]) for row in rows]
    assert list(after[0]) == list(rows[0])
    kept = [i for i, row in enumerate(after) if any(row[name] != "*" for name in columns)]
    assert report["suppressed"] == len(rows) - len(kept) <= request.suppression_limit * len(rows) + 1e-9
    classes = defaultdict(list)
    for i in kept:
        classes[tuple(after[i][name] for name in columns)].append(after[i]["s"])
    assert report["classes"] == len(classes)
    assert all(len(one) >= request.k and len(set(one)) >= request.l for one in classes.values())
    if classes:
        assert report["min_class"] == report["achieved"]["k"] == min(map(len, classes.values()))
        assert report["achieved"]["l"] == min(len(set(one)) for one in classes.values())
        overall = Counter(row["s"] for row in rows)
        t = [
            sum(abs(one.count(s) / len(one) - n / len(rows)) for s, n in overall.items()) / 2
            for one in classes.values()
        ]
        assert report["achieved"]["t"] == pytest.approx(max(t))
    expected = sum(len(one) ** 2 for one in classes.values()) + len(rows) * (len(rows) - len(kept))
    assert report["discernibility"] == expected


def test_levels_of_a_hierarchy_nest_in_what_this_file_draws():
    @given(trees())
    def nests(tree):
        for finer, coarser in pairwise(zip(*tree, strict=True)):
            assert len(set(zip(finer, coarser, strict=True))) == len(set(finer))

    nests()

"""What follows of sets that are listed beside each other, as named cases and against counted populations."""

from __future__ import annotations

import numpy as np
import pytest
from harness.forms import examples
from hypothesis import given
from hypothesis import strategies as st

from anonymization.tables.audit.axes import Axis
from anonymization.tables.audit.closure import closure
from anonymization.tables.audit.coordinates import containing_codes
from anonymization.tables.model import TOTAL

BASE = "abcdef"


def axis_of(sets, *, series=True):
    """An axis with some sets, each a list of its own, or all beside each other in one."""
    axis = Axis("column x")
    axis.name_total(frozenset(BASE))
    codes = [axis.code_of(frozenset(members)) for members in sets]
    for number, code in enumerate(codes):
        axis.list_in("all" if series else f"list {number}", code)
    return axis, tuple(dict.fromkeys(codes))


def found(*sets, series=True):
    axis, codes = axis_of(sets, series=series)
    return closure(codes, axis), axis


def test_one_set_alone_says_nothing():
    told, _ = found("abc")
    assert (told.made, told.sums, told.within, told.overlaps) == ((), (), (), ())


def test_what_a_list_leaves_of_a_whole_gets_a_code():
    told, _ = found("abcd", "a", "b")
    assert told.made == ("c|d",)
    assert told.sums == (("a|b|c|d", ("a", "b", "c|d")),)


def test_a_whole_that_its_parts_cover_leaves_nothing():
    told, _ = found("ab", "a", "b")
    assert told.made == ()
    assert told.sums == (("a|b", ("a", "b")),)


def test_overlapping_sets_are_sums_of_atoms():
    told, _ = found("ab", "bc", "abc", series=False)
    assert {"a", "b", "c"} <= {*told.made}
    assert ("a|b", "b|c", "a|b|c", "b") in told.overlaps


def test_what_two_sets_have_in_common_is_a_sum_of_atoms_too():
    told, _ = found("a", "abcde", BASE, "abf", series=False)
    assert ("a|b|c|d|e", "a|b|f", TOTAL, "a|b") in told.overlaps
    assert "a|b" in {whole for whole, _ in told.sums}


def test_every_base_code_is_everything():
    _, codes = axis_of([BASE, "ab"])
    assert codes == (TOTAL, "a|b")


def test_a_set_in_two_lists_is_one_code():
    _, codes = axis_of(["ab", "ab", "c"])
    assert codes == ("a|b", "c")


sets_of = st.lists(st.frozensets(st.sampled_from(BASE), min_size=1), min_size=1, max_size=5)


def atoms(sets):
    return {frozenset(n for n, one in enumerate(sets) if base in one) for base in set().union(*sets)}


@examples(300)
@given(sets_of, st.booleans())
def test_equations_say_that_every_set_is_a_sum_of_atoms_and_no_more(sets, series):
    axis, codes = axis_of(sets, series=series)
    told = closure(codes, axis)
    every = [*codes, *told.made]
    number = {code: n for n, code in enumerate(every)}
    matrix = np.zeros((len(told.sums), len(every)))
    for row, (whole, parts) in enumerate(told.sums):
        matrix[row, number[whole]] += 1
        for part in parts:
            matrix[row, number[part]] -= 1
    rank = np.linalg.matrix_rank(matrix) if len(matrix) else 0
    assert len(every) - rank == len(atoms([axis.sets[code] for code in codes]))


@examples(300)
@given(sets_of, st.booleans(), st.lists(st.frozensets(st.sampled_from(BASE), min_size=1), max_size=8))
def test_whatever_persons_do_every_relation_holds(sets, series, persons):
    axis, codes = axis_of(sets, series=series)
    told = closure(codes, axis)

    def events(code):
        return sum(len(did & axis.sets[code]) for did in persons)

    def people(code):
        return sum(bool(did & axis.sets[code]) for did in persons)

    for whole, parts in told.sums:
        assert events(whole) == sum(map(events, parts))
        assert people(whole) <= sum(map(people, parts))
        assert all(people(part) <= people(whole) for part in parts)
    for part, whole in told.within:
        assert people(part) <= people(whole)
    for one, other, union, common in told.overlaps:
        assert people(one) + people(other) >= people(union) + (people(common) if common else 0)


@examples(200)
@given(sets_of)
def test_codes_and_what_contains_them(sets):
    axis, _ = axis_of(sets)
    code, containing = containing_codes(axis)
    names = list(axis.codes)
    expected = {
        (n, m) for n, one in enumerate(names) for m, other in enumerate(names) if axis.sets[one] <= axis.sets[other]
    }
    assert set(zip(code.tolist(), containing.tolist(), strict=True)) == expected


@pytest.mark.parametrize("by_tree", [True, False])
def test_what_the_only_tree_says_is_not_said_again(by_tree):
    from anonymization.tables.audit.axes import Tree

    axis, codes = axis_of(["ab", "a", "b"])
    axis.trees = [Tree({"a": "a|b", "b": "a|b", "a|b": TOTAL})]
    axis.series = {f"codes of x, {n}": listed for n, listed in (("fine", ["a", "b"]), ("coarse", ["a|b"]))}
    assert bool(closure(codes, axis, by_tree=by_tree).sums) is not by_tree

"""What `make bench` says of other programs' k-anonymous rows, by hand: no timing is asserted."""

from __future__ import annotations

import pandas as pd
import pytest

from anonymization.errors import InputError
from anonymization.hierarchies.hierarchy import Hierarchy
from benchmarks.foreign import covered, labelled, loss_as_sets, quality
from benchmarks.measure import command

AGE = Hierarchy.from_rows("age", [(str(n), "1-2" if n < 3 else "3-4", "*") for n in (1, 2, 3, 4)])
JOB = Hierarchy.from_rows("job", [("cook", "*"), ("clerk", "*"), ("self-employed", "*")])

TEXTS = {
    "a value": (AGE, "3", 1),
    "a value with a hyphen": (JOB, "self-employed", 1),
    "a label": (AGE, "1-2", 2),
    "everything": (AGE, "*", 4),
    "a range that is no label": (AGE, "2-4", 3),
    "a range wider than the domain": (AGE, "0-9", 4),
    "a set": (JOB, "clerk,cook", 2),
}


@pytest.mark.parametrize(("hierarchy", "text", "rows"), TEXTS.values(), ids=TEXTS)
def test_what_a_text_covers(hierarchy, text, rows):
    assert covered(hierarchy, text).sum() == rows


@pytest.mark.parametrize(("text", "label"), [("3", "3"), ("1-2", "1-2"), ("2-3", "*"), ("4,3", "3-4")])
def test_the_lowest_label_that_covers_a_text(text, label):
    assert (labelled(AGE, covered(AGE, text)) == covered(AGE, label)).all()


@pytest.mark.parametrize("text", ["5", "7-9", "cook", ""])
def test_a_text_that_cannot_be_read(text):
    with pytest.raises(InputError, match="neither a label"):
        covered(AGE, text)


def test_a_row_a_person():
    # Of 6 persons one is not there, and one reads * throughout. x = (sum of shares - n/size) / (n - n/size):
    # age (4 * 2/4 + 2 - 6/4) / (6 - 6/4) = 2.5 / 4.5, job (4 * 1/3 + 2 - 6/3) / (6 - 6/3) = 1 / 3.
    frame = pd.DataFrame({"age": ["1-2", "1-2", "3-4", "3-4", "*"], "job": ["cook", "cook", "clerk", "clerk", "*"]})
    found = quality(frame, [AGE, JOB], 6)
    assert (found.k, found.suppressed) == (2, 2)
    assert found.loss == pytest.approx(((1 + 2.5 / 4.5) * (1 + 1 / 3)) ** 0.5 - 1)


def test_a_row_a_class():
    # age (5 * 3/4 + 3 * 1/4 - 8/4) / (8 - 8/4) = 2.5 / 6, job (5 * 2/3 + 3 * 1/3 - 8/3) / (8 - 8/3) = 5/3 / (16/3).
    frame = pd.DataFrame({"age": ["1-3", "4"], "job": ["clerk,cook", "cook"], "count": ["5", "3"]})
    found = quality(frame, [AGE, JOB], 8)
    assert (found.k, found.suppressed) == (3, 0)
    assert found.loss == pytest.approx(((1 + 2.5 / 6) * (1 + 5 / 16)) ** 0.5 - 1)
    # As labels both of the first row's texts are *: age (5 + 3 * 1/4 - 2) / 6, job (5 + 3 * 1/3 - 8/3) / (16/3).
    assert found.as_labels == pytest.approx(((1 + 3.75 / 6) * (1 + 10 / 16)) ** 0.5 - 1)


def test_labels_written_as_ranges_and_sets():
    # Class 1-4: ages 1 to 3, cooks and clerks; class 4: as it is; the fifth person is suppressed. With 5 persons:
    # age (3 * 3/4 + 1/4 + 1 - 5/4) / (5 - 5/4), job (3 * 2/3 + 1/3 + 1 - 5/3) / (5 - 5/3).
    before = pd.DataFrame({"age": ["1", "3", "2", "4", "4"], "job": ["cook", "clerk", "cook", "cook", "clerk"]})
    after = pd.DataFrame({"age": ["*", "*", "*", "4", "*"], "job": ["*", "*", "*", "cook", "*"]})
    after.loc[:2, "age"] = "1-4"
    wide = Hierarchy.from_rows("age", [(str(n), "1-4", "*") for n in (1, 2, 3, 4)])
    found = loss_as_sets(before, after, [wide, JOB])
    assert found == pytest.approx(((1 + 2.25 / 3.75) * (1 + (5 / 3) / (10 / 3))) ** 0.5 - 1)


def test_classes_that_read_alike_are_one():
    frame = pd.DataFrame({"age": ["4", "4"], "job": ["cook", "cook"], "count": ["2", "3"]})
    assert quality(frame, [AGE, JOB], 5).k == 5


def test_nothing_published():
    found = quality(pd.DataFrame({"age": ["*"], "job": ["*"]}), [AGE, JOB], 3)
    assert (found.k, found.suppressed, found.loss) == (0, 3, pytest.approx(1))


def test_more_persons_than_there_were():
    with pytest.raises(InputError, match="2 persons came out of 1"):
        quality(pd.DataFrame({"age": ["1", "1"], "job": ["cook", "cook"]}), [AGE, JOB], 1)


def test_a_command_that_fails_says_why():
    ran = command(["/bin/sh", "-c", "echo no such column >&2; exit 3"], limit=10)
    assert (ran.ended, ran.said.strip()) == (False, "no such column")
    assert ran.status


def test_a_command_that_takes_too_long_is_ended():
    ran = command(["/bin/sh", "-c", "while :; do :; done"], limit=1)
    assert ran.ended

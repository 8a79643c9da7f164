"""Statistics Norway's tables z1 and z2: known optima; z3, which takes a minute and more, is in `make bench`."""

from __future__ import annotations

import pytest

from anonymization.tables.model import CONFIDENTIAL
from benchmarks.disclosure import protect_official

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("name", "threshold", "unsafe", "hidden", "persons"),
    [
        pytest.param("z1", 4, 3, 6, 35, id="z1, N=4: the minimum of six cells"),
        pytest.param("z1", 10, 12, 16, 128, id="z1, N=10"),
        # z2 groups some regions alone: such a group and its region are one cell
        pytest.param("z2", 4, 8, 24, 323, id="z2, N=4: the optimum, 24 cells"),
        pytest.param("z2", 10, 21, 42, 638, id="z2, N=10"),
    ],
)
def test_what_is_hidden(real_data, name, threshold, unsafe, hidden, persons):
    done = protect_official(real_data / "tables", name, threshold)
    assert done.findings == ()
    assert done.protected.unsafe == unsafe
    assert done.protected.optimal
    assert int((done.frame["ant_status"] == CONFIDENTIAL).sum()) == hidden
    assert done.hidden_value == persons


def test_the_primary_cells_of_z1(real_data):
    """B, D and H in work: the secondary cells are three others of the same three columns or rows."""
    done = protect_official(real_data / "tables", "z1", 4)
    frame = done.given.tables[0].frame.merge(done.frame, on=["region", "hovedint"], suffixes=("_true", ""))
    few = frame[frame["ant_true"].between(1, 3)]
    assert set(zip(few["region"], few["hovedint"], strict=True)) == {(region, "arbeid") for region in "BDH"}
    assert (few["ant_status"] == CONFIDENTIAL).all()

"""What is out comes back with what its figures need, or the build stops."""

from __future__ import annotations

import shutil

import pytest

from anonymization.errors import IntegrityError
from anonymization.release.candidate import NEEDS
from anonymization.release.earlier import earlier_issues
from anonymization.release.package import read_package


@pytest.fixture
def released(setting, reached, publish_it):
    """The released candidate, and what is out since."""
    candidate = reached("web-audience", "approved")
    publish_it(setting, candidate)
    request = candidate.request
    return candidate, lambda: earlier_issues(
        setting, request.sources, request.first_day, request.past_day, counted=request.sources
    )


def test_needs_come_back_with_what_is_out(released):
    candidate, out = released
    (issue,) = out()
    hidden = {
        (table.name, measure.name, row)
        for table in read_package(candidate.package).tables
        for measure in table.measures
        for row in table.frame.index[table.frame[f"{measure.name}_status"] == "C"]
    }
    told = {(need.table, need.measure, need.row) for need in issue.standing}
    assert told
    assert told <= hidden
    assert all(need.reach > 0 for need in issue.standing)


def test_evidence_that_was_changed_or_lost_stops_everything_after(released):
    candidate, out = released
    kept = candidate.evidence / NEEDS
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[1:]))
    with pytest.raises(IntegrityError, match="is not what was built"):
        out()
    kept.unlink()
    with pytest.raises(IntegrityError, match="is not what was built"):
        out()
    shutil.rmtree(candidate.folder)
    with pytest.raises(IntegrityError, match=r"the evidence of web-audience 2026-10 v1 is gone"):
        out()


def test_of_what_is_out_that_alone_comes_back_which_is_counted_again(setting, reached, publish_it):
    """Displays are counted beside the audience of subscribers and clicks: no figure of one says anything of the other."""
    candidate = reached("monthly-audience", "approved")
    publish_it(setting, candidate)
    request = candidate.request

    def measures(counted):
        out = earlier_issues(setting, request.sources, request.first_day, request.past_day, counted=counted)
        return [measure.name for issue in out for table in issue.tables for measure in table.measures]

    assert measures(request.sources) == ["subscribers", "users", "browsing_persons"]
    assert measures({"clicks", "displays"}) == ["browsing_persons"]
    assert measures({"displays"}) == []

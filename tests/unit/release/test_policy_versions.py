"""Events of a version of the policy that does not allow a release are in none of its figures, counted, and told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from harness.versions import no_statistics_of, two_versions

from anonymization.deidentify.taken import known_files
from anonymization.errors import PolicyRefusal
from anonymization.policy.load import load_policies
from anonymization.policy.periods import EPOCH, parse_period
from anonymization.policy.releases import PeriodKind
from anonymization.release.package import read_package
from anonymization.release.states import _late, inputs_of
from jobs.__main__ import main
from jobs.dossier import review
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.microdata import write_microdata

NAME, MONTH = "web-audience", "2026-10"
OCTOBER = parse_period(PeriodKind.MONTH, MONTH)
DAYS = [f"2026-10-{day:02}" for day in range(1, 15)]
FORTNIGHT = range(OCTOBER.first, OCTOBER.first + len(DAYS))
RUN = "2026-10-01 to 2026-10-14"


@pytest.fixture
def changed(setting, policy_folder):
    """The setting under a policy that allows statistics of analytics from the 15th on."""
    two_versions(policy_folder, no_statistics_of("analytics"))
    return replace(setting, policies=load_policies(policy_folder))


def of_fortnight(rows):
    return pc.and_(pc.greater_equal(rows["day"], FORTNIGHT.start), pc.less(rows["day"], FORTNIGHT.stop))


def event_files(setting, source="analytics"):
    return sorted((setting.home.events / f"source={source}").rglob("*.parquet"))


def tables(candidate):
    return {path.name: path.read_bytes() for path in sorted((candidate.package / "tables").iterdir())}


def test_clause_2_what_was_collected_under_another_version_is_in_no_figure(changed, policies):
    """As if it had never been there: the tables equal those of a home without these events."""
    candidate = build(changed, NAME, MONTH)
    for path in event_files(changed):
        rows = pq.read_table(path)
        path.unlink()
        pq.write_table(rows.filter(pc.invert(of_fortnight(rows))), path)
    without = build(replace(changed, policies=policies), NAME, MONTH)
    assert without.request.gaps["analytics"].keys() == set(DAYS)
    assert tables(candidate) == tables(without)
    assert candidate.request.gaps == {}


def test_it_is_counted_and_told(changed, monkeypatch):
    monkeypatch.setattr("jobs.dossier.page.plots", lambda *_: [])
    candidate = build(changed, NAME, MONTH)
    rows = [pq.read_table(path) for path in event_files(changed)]
    days = [one.filter(of_fortnight(one)) for one in rows]
    persons = {person for one in days for person in one["p"].to_pylist()} - {None}
    told = {"rows": f"{sum(map(len, days)) // 10 * 10:,}", "persons": f"{len(persons) // 10 * 10:,}"}
    (one,) = candidate.request.barred.values()
    assert (one["days"], {name: one[name] for name in told}) == (list(FORTNIGHT), told)
    assert len(persons) > 100
    assert len(persons) % 10, "a number that rounding changes"
    package = read_package(candidate.package)
    assert package.not_allowed == {"analytics": DAYS}
    readme = (candidate.package / "README.md").read_text()
    assert f"- analytics: {', '.join(DAYS)}" in readme
    assert told["rows"] not in readme
    result = gate(changed, candidate.id)
    assert result.opened, result.reasons
    line = (
        f"analytics, {RUN}: {told['rows']} rows, {told['persons']} persons, by the version of 2018-02-01: the purpose"
    )
    assert f"**Not read, as the policy does not allow it**: {line}" in review(changed, candidate.id)
    shown = (candidate.evidence / "dossier.html").read_text()
    assert "<b>Not read, as the policy does not allow it</b>: " + line in shown.replace("&#39;", "'")


def test_a_package_that_keeps_it_quiet_closes_the_gate(changed, monkeypatch):
    monkeypatch.setattr("anonymization.release.package_writing.days_not_allowed", lambda _: {})
    result = gate(changed, build(changed, NAME, MONTH).id)
    assert {suite.name for suite in result.results if not suite.success} == {"candidate_collected"}


def test_a_candidate_of_other_days_than_the_policy_says_is_stale(changed, setting):
    candidate = build(setting, NAME, MONTH)
    result = gate(changed, candidate.id)
    assert result.reasons == ("the policy's versions allow the use of other days than at the build; build again",)


@pytest.mark.long("attacks")
def test_days_that_are_not_allowed_wait_for_nothing(changed, setting, release_it):
    """Beside what is out without them they are no late events: another release may read them."""
    release_it(changed, build(changed, NAME, MONTH))
    inputs = inputs_of(setting, ["analytics"], OCTOBER)
    assert inputs.left == {}
    again = build(changed, NAME, MONTH).request
    assert again.figures["persons whose late events wait, at most"] == 0
    assert list(again.barred["analytics"]["days"]) == list(FORTNIGHT)


def no_provision(stated):
    """Statistics of customers are prepared, and provided to nobody."""
    del stated["purposes"]["k"]


def test_a_late_log_waits_for_the_days_that_are_allowed_alone(changed):
    """What is out has no other days: whatever came of the rest changes no version of it."""
    request = build(changed, NAME, MONTH).request
    _, one = next(iter(known_files(changed.home, "analytics")))
    came = replace(one, digest="f" * 64, first_day=FORTNIGHT.start, last_day=FORTNIGHT.stop + 1)
    assert _late([came], "analytics", OCTOBER, [request]) == {came.digest: {FORTNIGHT.stop, FORTNIGHT.stop + 1}}
    every = replace(request, barred={})
    assert _late([came], "analytics", OCTOBER, [every])[came.digest] == {*FORTNIGHT, FORTNIGHT.stop, FORTNIGHT.stop + 1}
    assert _late([came], "analytics", OCTOBER, [request, every])[came.digest] >= {*FORTNIGHT}


def test_the_verb_says_what_is_not_read(changed, monkeypatch):
    monkeypatch.setenv("NOREN_HOME", str(changed.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(changed.policies.folder))
    changed.ledger.close()
    done = CliRunner().invoke(main, ["build", NAME, "--period", MONTH])
    assert done.exit_code == 0, done.output
    assert f"not read, as the policy does not allow it: analytics, {RUN}: " in done.output


def test_where_nothing_is_left_it_is_refused_with_the_clause(setting, policy_folder):
    """A stock's month is one snapshot: of one day."""
    (day,) = {day for path in event_files(setting, "subscribers") for day in pq.read_table(path)["day"].to_pylist()}
    two_versions(policy_folder, begins=EPOCH + timedelta(days=day), changed_now=no_provision)
    changed = replace(setting, policies=load_policies(policy_folder))
    with pytest.raises(
        PolicyRefusal, match=r"nothing is left of source 'subscribers' in 2026-10: by the version of .*2\(1\)"
    ):
        build(changed, "monthly-audience", MONTH)


def test_rows_for_inside_are_made_without_it(setting, policy_folder):
    def no_history(stated):
        stated["purposes"]["statistical_information"]["types"].remove("history")
        stated["purposes"]["survey_and_analysis"]["types"].remove("history")

    two_versions(policy_folder, no_history)
    changed = replace(setting, policies=load_policies(policy_folder))
    written = write_microdata(changed, "subscriber-profile", MONTH)
    (line,) = [line for line in written.report["not_allowed"] if line.startswith("clicks")]
    assert line.startswith(f"clicks, {RUN}: ")
    assert f"- clicks: {', '.join(DAYS)}" in (written.folder / "NOTICE.md").read_text()


@pytest.mark.spark
@pytest.mark.long("engines")
def test_both_engines_leave_out_the_same(changed):
    digests = {build(changed, NAME, MONTH, engine=engine).request.digest for engine in ("duckdb", "spark")}
    assert len(digests) == 1


@pytest.mark.long("attacks")
@pytest.mark.parametrize("first", ["outside", "inside"])
def test_a_release_of_all_days_is_held_against_one_of_the_days_that_are_allowed(
    setting, policy_folder, release_it, first
):
    """They are of two states of the logs: their difference is what was collected on the other days, of few as well."""
    path = policy_folder / "releases" / f"{NAME}.yaml"
    own = {"release": "inside", "recipient": "analysts", "purpose": "survey_and_analysis"}
    content = yaml.safe_load(path.read_text()) | own
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, default_flow_style=None)
    (policy_folder / "releases" / "inside.yaml").write_text(text)
    two_versions(policy_folder, no_statistics_of("analytics"))
    changed = replace(setting, policies=load_policies(policy_folder))
    names = [NAME, "inside"] if first == "outside" else ["inside", NAME]
    release_it(changed, build(changed, names[0], MONTH))
    result = gate(changed, build(changed, names[1], MONTH).id)
    assert not result.opened
    assert {suite.name for suite in result.results if not suite.success} == {"candidate_together"}
    assert any("shown in one version, hidden in the other" in reason for reason in result.reasons)

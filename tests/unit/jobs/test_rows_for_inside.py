"""Rows of persons for inside: what is promised, counted again by other ways."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import duckdb
import pandas as pd
import pytest

from anonymization.errors import DeclarationError, PolicyRefusal, Refusal
from anonymization.policy.load import load_policies
from anonymization.policy.protection import Suppression
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.microdata import write_microdata

NAME, PERIOD = "subscriber-profile", "2026-10"
QUASI_IDENTIFIERS = ["region", "age_band", "device"]


@pytest.fixture
def written(setting):
    return write_microdata(setting, NAME, PERIOD)


def test_every_class_has_k_persons_and_two_favourite_services(written):
    rows = pd.read_csv(written.folder / "rows.csv", dtype=str)
    classes = rows.groupby(QUASI_IDENTIFIERS)["favourite_service"]
    assert classes.size().min() == written.report["min_class"] >= 10
    assert classes.nunique().min() >= 2
    assert len(classes) == written.report["classes"]
    assert len(rows) == written.report["persons"] - written.report["left_out"]
    assert written.report["left_out"] <= 0.02 * written.report["persons"]


def test_one_row_a_subscriber_with_the_attributes_that_the_events_give(setting, policies):
    """The region alone, of everybody: as many rows of each as there are subscribers who live there."""
    spec = policies.microdata[NAME]
    changes = {
        "sources": ("subscribers",), "attributes": {"region": spec.attributes["region"]}, "k": 2, "suppression_limit": 0.0,
        "quasi_identifiers": {"region": spec.quasi_identifiers["region"]}, "sensitive": None, "distinct_l": None,
    }  # fmt: skip
    own = replace(setting, policies=replace(policies, microdata={NAME: spec.model_copy(update=changes)}))
    written = write_microdata(own, NAME, PERIOD)
    with duckdb.connect() as connection:
        events = f"'{setting.home.events}/source=subscribers/*/*.parquet'"
        lived = connection.execute(f"SELECT p, max(prefecture) AS at FROM {events} WHERE p IS NOT NULL GROUP BY p").df()
    level, region = written.report["levels"]["region"], policies.hierarchies["region"]
    assert level < 2
    expected = lived["at"].map(lambda at: (at, *region[at])[level]).value_counts()
    rows = pd.read_csv(written.folder / "rows.csv", dtype=str)
    assert rows["region"].value_counts().to_dict() == expected.to_dict()


def test_csv_and_parquet_are_equal_private_and_without_order(written):
    table = pd.read_csv(written.folder / "rows.csv", dtype=str)
    pd.testing.assert_frame_equal(pd.read_parquet(written.folder / "rows.parquet"), table, check_dtype=False)
    assert list(table.columns) == [*QUASI_IDENTIFIERS, "favourite_service"]
    pd.testing.assert_frame_equal(table, table.sort_values(list(table.columns), ignore_index=True))
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(written.folder.stat().st_mode) == 0o700


def test_again_replaces_the_same_bytes(setting, written):
    before = (written.folder / "rows.csv").read_bytes()
    again = write_microdata(setting, NAME, PERIOD)
    assert (again.folder / "rows.csv").read_bytes() == before
    assert [path.name for path in again.folder.parent.iterdir()] == [PERIOD]
    assert json.loads((again.folder / "report.json").read_text(encoding="utf-8"))["classes"] == again.report["classes"]


@pytest.mark.spark
def test_spark_writes_the_same_rows(setting, written):
    before = (written.folder / "rows.csv").read_bytes()
    assert (write_microdata(setting, NAME, PERIOD, engine="spark").folder / "rows.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("recipient", "purpose", "message"),
    [
        pytest.param("media-research", "j", "may not go to|house rule", id="a third party"),
        pytest.param("content-partner", "statistical_information", "may not go to|house rule", id="a business partner"),
    ],
)
def test_nobody_outside_gets_rows(setting, policies, recipient, purpose, message):
    spec = policies.microdata[NAME].model_copy(update={"recipient": recipient, "purpose": purpose})
    own = replace(setting, policies=replace(policies, microdata={NAME: spec}))
    with pytest.raises(PolicyRefusal, match=message):
        write_microdata(own, NAME, PERIOD)


def test_a_business_partner_is_refused_user_information_by_the_house_rule(setting, policies):
    """The policy itself would allow it: rows of user information alone, within their purposes."""
    spec = policies.microdata[NAME]
    clicks = spec.attributes["device"]
    changes = {
        "recipient": "content-partner", "purpose": "survey_and_analysis", "population": "clicks", "sources": ("clicks",),
        "attributes": {"device": clicks}, "quasi_identifiers": {"device": spec.quasi_identifiers["device"]},
        "sensitive": None, "distinct_l": None,
    }  # fmt: skip
    own = replace(setting, policies=replace(policies, microdata={NAME: spec.model_copy(update=changes)}))
    with pytest.raises(PolicyRefusal, match="house rule"):
        write_microdata(own, NAME, PERIOD)


def test_what_cannot_be_reached_is_refused_and_nothing_is_written(setting, policies):
    spec = policies.microdata[NAME].model_copy(update={"distinct_l": 100, "suppression_limit": 0.0})
    own = replace(setting, policies=replace(policies, microdata={NAME: spec}))
    with pytest.raises(Refusal, match="suppression limit"):
        write_microdata(own, NAME, PERIOD)
    assert not list(setting.home.microdata.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("hierarchy: region", "hierarchy: no_such", "quasi_identifiers.region.hierarchy", id="no such hierarchy"),
        pytest.param("column: prefecture", "column: no_such", "no attribute in events", id="no such column"),
        pytest.param("sensitive: favourite_service", "sensitive: region", "once", id="an attribute in two roles"),
        pytest.param("k: 10", "k: 1", "greater than or equal to 2", id="k of one"),
        pytest.param("recipient: analysts", "recipient: nobody", "unknown; known", id="no such recipient"),
        pytest.param("sources: [subscribers, links, clicks]", "sources: [subscribers]", "every source read", id="a source that is not named"),
    ],
)  # fmt: skip
def test_declarations(policy_folder, old, new, message):
    path = policy_folder / "microdata" / f"{NAME}.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(DeclarationError, match=message):
        load_policies(policy_folder)


def people(setting):
    """Prefecture and age band of the monthly audience's persons, by joins of our own."""
    at = f"{setting.home.events}/source="
    sql = f"""
        WITH pairs AS (SELECT p, min(linked_p) AS m, max(linked_p) AS other FROM '{at}links/*/*.parquet'
                       WHERE p IS NOT NULL AND day BETWEEN 20727 AND 20757 GROUP BY p),
             clicked AS (SELECT DISTINCT p FROM '{at}clicks/*/*.parquet' WHERE p IS NOT NULL AND day BETWEEN 20727 AND 20757),
             everyone AS (SELECT COALESCE(CASE WHEN m = other THEN m END, clicked.p) AS p
                          FROM clicked LEFT JOIN pairs ON clicked.p = pairs.p
                          UNION SELECT COALESCE(linked_p, p) FROM '{at}links/*/*.parquet'
                          WHERE p IS NOT NULL AND day BETWEEN 20727 AND 20757
                          UNION SELECT p FROM '{at}subscribers/*/*.parquet' WHERE p IS NOT NULL)
        SELECT COALESCE(max(s.prefecture), 'unknown') AS prefecture, COALESCE(max(s.age_band), 'unknown') AS age
        FROM everyone LEFT JOIN '{at}subscribers/*/*.parquet' AS s ON everyone.p = s.p GROUP BY everyone.p
    """
    with duckdb.connect() as connection:
        return connection.execute(sql).df()


@pytest.mark.parametrize(("limit", "opened"), [(0.9, True), (0.0, False)])
def test_the_gate_is_closed_where_more_is_hidden_than_allowed(setting, policies, limit, opened):
    release = policies.releases["monthly-audience"]
    protection = Suppression(method="suppression", minimum_count=10, suppression_limit={0: limit})
    releases = {**policies.releases, release.release: release.model_copy(update={"protection": protection})}
    own = replace(setting, policies=replace(policies, releases=releases))
    result = gate(own, build(own, "monthly-audience", PERIOD).id)
    assert result.opened == opened
    assert all("are hidden" in r or "is hidden than the release allows" in r for r in result.reasons)
    assert any("`noren plan monthly-audience --period 2026-10` proposes" in r for r in result.reasons) is not opened

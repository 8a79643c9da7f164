"""A release with differential privacy, from build to verification; the budget; what a declaration may not say."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

import anonymization.tables.methods.differential_privacy
import jobs.verbs.build
from anonymization.errors import DeclarationError, InputError, IntegrityError, PolicyRefusal
from anonymization.policy.load import load_policies
from anonymization.release.choices import add_optouts
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.mart.database import open_mart
from anonymization.release.mart.mart import sync
from anonymization.release.package import read_package
from anonymization.release.verify import verify
from anonymization.tables.model import FREE, TOTAL
from jobs.__main__ import main
from jobs.dossier import review
from jobs.verbs.audit import attack
from jobs.verbs.build import build
from jobs.verbs.gate import gate

NAME, PERIOD = "web-audience-with-noise", "2026-10"
TITLE = {"en": "x", "ja": "x"}
MEASURES = {
    "visitors_bounded": {"kind": "persons", "source": "analytics", "title": TITLE},
    "page_views_bounded": {"kind": "total", "source": "analytics", "title": TITLE},
}
VISITS = {"visits": {"title": TITLE, "dimensions": ["access_source", "browser"], "measures": MEASURES}}
PRIVACY = {"method": "differential_privacy", "rho": "0.4", "max_cells": 4, "max_per_cell": 20}
PLACES = {
    "population": {
        "title": TITLE,
        "dimensions": ["mesh", "day_type"],
        "measures": {"persons_bounded": {"kind": "persons", "source": "locations", "title": TITLE}},
    }
}


@pytest.fixture
def noisy(declared):
    return declared("web-audience", NAME, tables=VISITS, protection=PRIVACY)


def table(candidate):
    (one,) = read_package(candidate.package).tables
    return one.frame.set_index(one.keys)


def test_from_build_to_verification(noisy, release_it, monkeypatch):
    candidate = build(noisy, NAME, PERIOD)
    assert "Differential privacy (gaussian noise): unit a person in a calendar month, rho 0.4" in review(
        noisy, candidate.id
    )
    done = release_it(noisy, candidate)
    assert verify(done.folder, noisy.home).withdrawn is False
    assert not attack([done.folder])
    block = json.loads((done.folder / "package" / "datapackage.json").read_text())["noren"]["protection"]
    assert block == {
        "method": "differential_privacy", "mechanism": "gaussian", "unit": "a person in a calendar month",
        "figures": "made to fit each other", "rho": "0.4", "max_cells": 4, "max_per_cell": 20,
    }  # fmt: skip
    assert "differential privacy" in (done.folder / "package" / "NOTICE.md").read_text()
    frame = table(candidate)
    (one,) = read_package(candidate.package).tables
    assert list(frame.columns)[:3] == ["visitors_bounded", "visitors_bounded_status", "visitors_bounded_error"]
    assert frame["visitors_bounded_error"].loc[(TOTAL, TOTAL)] in range(3, 13), "6 by itself"
    assert frame["page_views_bounded_error"].loc[("search", "Chrome")] < 248, "which it would be by itself"
    sync(noisy.home, noisy.ledger)
    with open_mart(noisy.home, read_only=True) as database:
        ((meaning,),) = database.rows(
            "SELECT comment FROM duckdb_columns() WHERE column_name = 'visitors_bounded_error' AND table_name LIKE '%noise__visits'"
        )
    assert meaning == "How far off by noise: 95% of figures or more are within so much, above or below"
    assert len(frame) == len(one.dimensions[0].codes) * len(one.dimensions[1].codes)
    assert (frame["visitors_bounded_status"] == FREE).all()
    with noisy.ledger.transaction() as transaction:
        (spent,) = transaction.spent()
        payload = transaction.entries(kind=EntryKind.PUBLICATION)[-1].payload
    assert (spent.source, spent.month, f"{spent.rho:f}", f"{spent.delta:f}") == ("analytics", PERIOD, "0.4", "0")
    assert payload["privacy"]["rho"] == "0.4"
    monkeypatch.setenv("NOREN_HOME", str(noisy.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(noisy.policies.folder))
    shown = CliRunner().invoke(main, ["releases"]).output
    assert "privacy budget of analytics, 2026-10: rho 0.4 of 1, delta 0 of 0.000001" in shown


def test_figures_fit_each_other_or_are_as_they_were_drawn(noisy, declared, monkeypatch):
    """Both follow from one draw: the other way to publish it costs nothing more."""
    fit = table(build(noisy, NAME, PERIOD))
    as_drawn = declared("web-audience", "as-drawn", tables=VISITS, protection=PRIVACY | {"consistent": False})
    candidate = build(as_drawn, "as-drawn", PERIOD)
    drawn = table(candidate)
    assert len([*noisy.home.draws.iterdir()]) == 1
    assert gate(as_drawn, candidate.id).opened
    assert not fit["page_views_bounded"].equals(drawn["page_views_bounded"])
    for column in ("visitors_bounded", "page_views_bounded"):
        assert (fit[column] >= 0).all()
    views = fit["page_views_bounded"].unstack("browser")
    assert (views.drop(columns=TOTAL).sum(axis=1) == views[TOTAL]).all()
    assert (views.drop(index=TOTAL).sum() == views.loc[TOTAL]).all()
    assert (fit["page_views_bounded"] >= fit["visitors_bounded"]).all()
    assert drawn["page_views_bounded_error"].loc[("search", "Chrome")] == 248
    assert fit["page_views_bounded_error"].mean() < drawn["page_views_bounded_error"].mean()
    assert "as drawn" in (candidate.package / "datapackage.json").read_text()
    assert "may be negative" in (candidate.package / "README.md").read_text()


def test_a_figure_that_was_not_made_to_fit_closes_the_gate(noisy, monkeypatch):
    """Whoever adjusts a published figure by hand is noticed, though the draw is right."""
    rightly = anonymization.tables.methods.differential_privacy.consistent

    def wrongly(plan, protection, tables):
        (made,) = rightly(plan, protection, tables)
        frame = made.table.frame.copy()
        frame.loc[frame.index[-1], "visitors_bounded"] += 1
        return (replace(made, table=replace(made.table, frame=frame)),)

    monkeypatch.setattr(anonymization.tables.methods.differential_privacy, "consistent", wrongly)
    candidate = build(noisy, NAME, PERIOD)
    monkeypatch.setattr(anonymization.tables.methods.differential_privacy, "consistent", rightly)
    result = gate(noisy, candidate.id)
    assert {r.name for r in result.results if not r.success} == {"candidate_cells"}


def test_a_draw_is_drawn_once(noisy, monkeypatch):
    first = build(noisy, NAME, PERIOD)
    (draw,) = noisy.home.draws.iterdir()
    assert draw.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(anonymization.tables.methods.differential_privacy, "drawn", None)  # whoever draws again fails
    assert build(noisy, NAME, PERIOD).request.digest == first.request.digest


def test_a_draw_is_another_one_once_somebody_of_it_opted_out(noisy, world):
    first = build(noisy, NAME, PERIOD)
    log = next((world.home.landing / "source=analytics").rglob("*.tsv"))
    client = next(csv.DictReader(log.read_text().splitlines(), delimiter="\t"))["amp_client_id"]
    for chosen, draws in (("nobody-of-the-logs", 1), (client, 2)):
        add_optouts(noisy.home, noisy.ledger, [("client", chosen)], namespaces=noisy.policies.namespaces)
        again = build(noisy, NAME, PERIOD)
        assert (again.request.digest == first.request.digest) is (draws == 1)
        assert len(list(noisy.home.draws.iterdir())) == draws
    assert gate(noisy, again.id).opened


def test_the_noise_is_of_the_size_that_was_declared(declared, monkeypatch):
    """rho 0.4 over 4 margins of 2 measures; a person moves 4 cells of the finest margin: sigma**2 = 4 / (2 * 0.05)."""
    true = []
    exact = jobs.verbs.build.tabulate
    monkeypatch.setattr(jobs.verbs.build, "tabulate", lambda *given: true.append(exact(*given)) or true[-1])
    setting = declared("web-audience", NAME, tables=VISITS, protection=PRIVACY | {"consistent": False})
    noised = table(build(setting, NAME, PERIOD))
    ((bounded,),) = true
    true_figures = bounded.frame.set_index(bounded.keys)["visitors_bounded"].reindex(noised.index)
    finest = [TOTAL not in cell for cell in noised.index]
    apart = (noised["visitors_bounded"] - true_figures)[finest].astype(float)
    expected = 4 / (2 * 0.05)
    assert len(apart) > 20
    assert expected / 3 < apart.pow(2).mean() < expected * 3


def test_places_are_selected(declared, monkeypatch):
    """A code list of a selected dimension lists what shows, and what it lies in; not what somebody was seen in."""
    protection = {"method": "differential_privacy", "rho": "0.5", "delta": "1e-7", "max_cells": 3}
    setting = declared("population-by-place", "places-with-noise", tables=PLACES, protection=protection)
    true = []
    exact = jobs.verbs.build.tabulate
    monkeypatch.setattr(jobs.verbs.build, "tabulate", lambda *given: true.append(exact(*given)) or true[-1])
    candidate = build(setting, "places-with-noise", PERIOD)
    (one,) = read_package(candidate.package).tables
    ((seen,),) = true
    fine = {code for code in one.frame["mesh"] if len(code) == 8}
    assert fine
    shown = fine | {code for code in one.frame["mesh"] if len(code) == 6} | {code[:6] for code in fine}
    rows = (candidate.package / "codelists" / "mesh.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == shown | {TOTAL}
    assert len(fine) < len({code for code in seen.frame["mesh"] if len(code) == 8})
    assert one.withheld
    assert gate(setting, candidate.id).opened


def test_the_budget_is_spent_once_and_refused_when_exceeded(noisy, declared, release_it):
    first = build(noisy, NAME, PERIOD)
    release_it(noisy, first)
    more = declared("web-audience", "more", tables=VISITS, protection=PRIVACY | {"rho": "0.7"})
    with pytest.raises(
        PolicyRefusal, match=r"source 'analytics' in 2026-10 does not allow it: rho 0.4 of 1 is spent \(by 1-"
    ):
        build(more, "more", PERIOD)
    # the same figures for another recipient are the same draw: nothing is spent again
    again = declared("web-audience", "again", tables=VISITS, protection=PRIVACY, recipient="media-research")
    candidate = build(again, "again", PERIOD)
    assert candidate.request.privacy["draw"] == first.request.privacy["draw"]
    assert table(candidate).equals(table(first))


def test_a_draw_that_was_changed_or_lost_closes_the_gate(noisy):
    candidate = build(noisy, NAME, PERIOD)
    (draw,) = noisy.home.draws.iterdir()
    content = json.loads(draw.read_text())
    content["tables"]["visits"]["visitors_bounded"][0] += 1
    draw.write_text(json.dumps(content))
    result = gate(noisy, candidate.id)
    assert {r.name for r in result.results if not r.success} == {"candidate_cells"}
    draw.write_text("{}")
    assert "restore it from a backup" in gate(noisy, candidate.id).reasons[0]
    with pytest.raises(IntegrityError, match="restore it from a backup"):
        build(noisy, NAME, PERIOD)
    draw.unlink()
    assert "the draw of noise that the release was made from is not there" in gate(noisy, candidate.id).reasons[0]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        pytest.param({"visitors_bounded": 5_000}, "visitors_bounded", id="persons far above"),
        pytest.param({"visitors_bounded": -5_000}, "visitors_bounded", id="persons far below"),
        pytest.param({"page_views_bounded": 10**6}, "page_views_bounded", id="a total far above"),
    ],
)
def test_figures_that_noise_does_not_explain_close_the_gate(noisy, monkeypatch, changes, column):
    def wrong(tables, protection):
        made = anonymization.tables.methods.differential_privacy._drawn_rightly(tables, protection)
        frame = made[0].frame
        at = (frame[made[0].keys] == TOTAL).all(axis=1)
        frame.loc[at, column] += changes[column]
        return made

    monkeypatch.setattr(
        anonymization.tables.methods.differential_privacy,
        "_drawn_rightly",
        anonymization.tables.methods.differential_privacy.drawn,
        raising=False,
    )
    monkeypatch.setattr(anonymization.tables.methods.differential_privacy, "drawn", wrong)
    result = gate(noisy, build(noisy, NAME, PERIOD).id)
    assert {r.name for r in result.results if not r.success} == {"candidate_cells", "candidate_margins"}
    assert "candidate_margins: not so: margins fit what they are made of" in "; ".join(result.reasons)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"rho": None}, "`gaussian` noise costs `rho`", id="no cost"),
        pytest.param({"epsilon": "1"}, "declare the one, not the other", id="two costs"),
        pytest.param({"mechanism": "laplace"}, "`laplace` noise `epsilon`", id="Laplace in rho"),
        pytest.param({"rho": 0}, "greater than 0", id="free of charge"),
        pytest.param({"rho": "1.5"}, "rho: 1.5 is more than the house's whole budget of a month, 1", id="more than there is"),
        pytest.param({"max_cells": 0}, "greater than or equal to 1", id="nobody counts"),
        pytest.param({"max_per_cell": None}, "a total needs `protection.max_per_cell`", id="an unbounded total"),
        pytest.param({"minimum_count": 10}, "unknown key; allowed here", id="a rule on true counts"),
    ],
)  # fmt: skip
def test_a_wrong_declaration(declared, changes, message):
    setting = declared("web-audience", NAME, tables=VISITS, protection=PRIVACY | changes)
    with pytest.raises(DeclarationError, match=message):
        setting.policies.release(NAME)


@pytest.mark.parametrize(
    ("based_on", "changes", "message"),
    [
        pytest.param("web-audience", {}, "end it in '_bounded'", id="names that do not say so"),
        pytest.param("population-by-place", {}, "`days` divide person-days", id="days"),
        pytest.param("search-trends", {"tables": {"t": {"title": TITLE, "dimensions": ["keyword"], "measures": {"searchers_bounded": {"kind": "persons", "source": "searches", "title": TITLE}}}}}, "what was typed is held back by a threshold alone", id="keywords"),
    ],
)  # fmt: skip
def test_wrong_tables(declared, based_on, changes, message):
    setting = declared(based_on, NAME, protection=PRIVACY, **changes)
    with pytest.raises(DeclarationError, match=message):
        setting.policies.release(NAME)


def test_selection_needs_a_delta(declared):
    protection = {"method": "differential_privacy", "rho": "0.5", "max_cells": 3}
    setting = declared("population-by-place", "places", tables=PLACES, protection=protection)
    with pytest.raises(InputError, match=r"declare `protection\.delta`"):
        build(setting, "places", PERIOD)


def test_linked_persons_do_not_stand_apart(declared):
    people = {"browsing_bounded": {"kind": "persons", "source": "clicks", "title": TITLE}}
    tables = {"audience": {"title": TITLE, "dimensions": ["age_band"], "measures": people}}
    setting = declared("monthly-audience", "linked", tables=tables, protection=PRIVACY)
    with pytest.raises(PolicyRefusal, match="source 'clicks' are joined by links"):
        build(setting, "linked", PERIOD)


def test_without_a_budget_nothing_is_spent(policy_folder, declared):
    policy = policy_folder / "policy.yaml"
    policy.write_text("\n".join(line for line in policy.read_text().splitlines() if "privacy_budget" not in line))
    setting = declared("web-audience", NAME, tables=VISITS, protection=PRIVACY)
    assert load_policies(policy_folder).policy.house_rules.privacy_budget is None
    with pytest.raises(DeclarationError, match=r"house_rules\.privacy_budget"):
        setting.policies.release(NAME)

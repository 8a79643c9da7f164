"""The contract of a protection method: which there are, what each must say, and that an unknown one is never another."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from anonymization.errors import ProtectionError
from anonymization.policy.periods import parse_period
from anonymization.policy.protection import CellKey, Method
from anonymization.policy.releases import DimensionKind, MeasureKind, PeriodKind
from anonymization.release.package import minimum_count
from anonymization.tables import method as contract
from anonymization.tables.audit.audit import audit
from anonymization.tables.audit.sheets import Issue, sheets_of
from anonymization.tables.method import HOOKS, METHODS, exact, method_of
from anonymization.tables.model import FREE, TOTAL, Dimension, Measure, SafeTable

DIMENSION = Dimension(
    name="d", title={}, kind=DimensionKind.PERSON, levels=("code",), parents={"a": TOTAL}, level_of={"a": "code"},
    labels={}, complete=True, concept="d",
)  # fmt: skip
MEASURE = Measure("persons", {}, MeasureKind.PERSONS, "clicks", {})
FRAME = pd.DataFrame({"d": ["a", TOTAL], "persons": pd.array([12, 12], "Int64"), "persons_status": [FREE, FREE]})


@pytest.fixture
def dummy(monkeypatch):
    """A fourth method, without the hooks that are named."""

    def dummy(*without):
        hooks = {hook: lambda *_, **__: None for hook in HOOKS if hook not in without}
        module = ModuleType("a_dummy_method")
        module.METHOD = SimpleNamespace(**hooks)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(METHODS, "dummy", module.__name__)
        method_of.cache_clear()
        return method_of("dummy")

    yield dummy
    method_of.cache_clear()


@pytest.mark.parametrize("name", Method)
def test_every_method_that_can_be_declared_says_everything(name):
    assert set(METHODS) == set(Method)
    assert all(hasattr(method_of(name), hook) for hook in HOOKS)


def test_the_contract_is_of_fields_and_of_what_a_method_does():
    assert {"record_keys", "drawn", "bound", "protect", "expected", "attack", "read", "told", "parameters"} < set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_method_is_refused_until_every_hook_is_there(dummy, hook):
    with pytest.raises(ProtectionError, match=f"'dummy' does not say {hook}"):
        dummy(hook)


def test_a_method_with_every_hook_is_one(dummy):
    assert dummy() is method_of("dummy")


UNKNOWN = {
    "asked by its name": lambda _: method_of("rounding"),
    "the sheets of a table": sheets_of,
    "the audit of a table": lambda issue: audit([issue]),
}


@pytest.mark.parametrize("ask", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_method_is_an_error_wherever_it_is_asked(ask):
    table = SafeTable("t", {}, (DIMENSION,), (MEASURE,), FRAME, 10, method="rounding")
    issue = Issue("r", parse_period(PeriodKind.MONTH, "2026-10"), (table,), 10)
    known = replace(issue, tables=(replace(table, method=Method.SUPPRESSION),))
    assert audit([known]) == ()
    with pytest.raises(ProtectionError, match="unknown protection method 'rounding'; known: cell_key, differential"):
        ask(issue)


def test_nothing_else_says_which_module_a_method_is():
    assert {module.rpartition(".")[0] for module in contract.METHODS.values()} == {"anonymization.tables.methods"}


@pytest.mark.parametrize(("status", "shown"), [("F", True), ("C", False), ("P", False), ("", False)])
def test_a_figure_is_known_only_where_its_status_is_free(status, shown):
    frame = FRAME.assign(persons_status=[FREE, status])
    table = SafeTable("t", {}, (DIMENSION,), (MEASURE,), frame, 10, method=Method.SUPPRESSION)
    assert (~np.isnan(exact(table, MEASURE))).tolist() == [True, shown]


SAID = {
    "suppression": ({"method": "suppression", "minimum_publishable_count": 10}, 10),
    "noise that is drawn": ({"method": "differential_privacy"}, 1),
    "no count, though the method has one": ({"method": "cell_key"}, KeyError),
    "no method": ({"minimum_publishable_count": 10}, KeyError),
    "an unknown method": ({"method": "rounding", "minimum_publishable_count": 10}, ProtectionError),
}


@pytest.mark.parametrize(("said", "expected"), SAID.values(), ids=SAID)
def test_a_package_says_how_many_are_too_few(said, expected):
    if isinstance(expected, int):
        assert minimum_count({"protection": said}) == expected
        return
    with pytest.raises(expected):
        minimum_count({"protection": said})


@pytest.mark.parametrize(("deviation", "zeros"), [(5, True), (9, True), (10, False)])
def test_a_zero_says_that_nobody_is_there_only_where_noise_cannot_bring_n_persons_to_it(deviation, zeros):
    declared = CellKey(method="cell_key", minimum_count=10, deviation=deviation)
    assert method_of(Method.CELL_KEY).told(declared).zeros is zeros

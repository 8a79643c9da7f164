"""What a run of the tests cost: at its end, the twenty slowest tests and fixtures, of all workers together.

Seconds are by the clock; CPU seconds are of the process and of the processes that it started and waited for. A fixture is
counted apart from the fixtures that it asks for, and a test apart from its fixtures.
"""

from __future__ import annotations

import json
import resource
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

SHOWN = 20


class Costs:
    """Measures tests and fixtures of a process; with pytest-xdist, workers hand theirs to the controller."""

    def __init__(self, config):
        self.config = config
        self.tests, self.fixtures = defaultdict(list), defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        with measured(self.tests[item.nodeid]):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        with measured(self.fixtures[named(fixturedef)]):
            return (yield)

    def pytest_sessionfinish(self):
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["costs"] = json.dumps([self.tests, self.fixtures])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        handed = getattr(node, "workeroutput", {}).get("costs", "[{}, {}]")  # nothing, if the worker died
        for mine, theirs in zip((self.tests, self.fixtures), json.loads(handed), strict=True):
            for name, measurements in theirs.items():
                mine[name] += measurements

    def pytest_terminal_summary(self, terminalreporter):
        for title, found in (("tests", self.tests), ("fixtures", self.fixtures)):
            if found:
                terminalreporter.section(f"the {SHOWN} slowest {title}")
                for line in slowest(found):
                    terminalreporter.write_line(line)
        if path := self.config.getoption("costs"):
            content = {"tests": self.tests, "fixtures": self.fixtures}
            Path(path).write_text(json.dumps(content, indent=1), encoding="utf-8")


@contextmanager
def measured(measurements):
    """Adds seconds and CPU seconds of what is done within to a list."""
    began = time.monotonic(), cpu_seconds()
    try:
        yield
    finally:
        measurements.append((time.monotonic() - began[0], cpu_seconds() - began[1]))


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def named(fixturedef):
    return f"{fixturedef.argname} ({fixturedef.scope}, {fixturedef.baseid or 'pytest'})"


def slowest(found):
    """Lines of what took longest in all, with how often it was done."""
    in_all = {name: [sum(column) for column in zip(*measurements, strict=True)] for name, measurements in found.items()}
    yield f"{'seconds':>9} {'CPU s':>8} {'times':>6}"
    for name, (seconds, cpu) in sorted(in_all.items(), key=lambda one: -max(one[1]))[:SHOWN]:
        yield f"{seconds:>9.1f} {cpu:>8.1f} {len(found[name]):>6} {name}"
    seconds, cpu = (sum(column) for column in zip(*in_all.values(), strict=True))
    yield f"{seconds:>9.1f} {cpu:>8.1f} {sum(map(len, found.values())):>6} all"


def pytest_addoption(parser):
    parser.addoption("--costs", metavar="FILE", help="write what each test and fixture cost, as JSON")


def pytest_configure(config):
    config.pluginmanager.register(Costs(config), "costs of tests")

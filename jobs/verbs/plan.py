"""Plan RELEASE's levels: which codes should stand by themselves so that hardly anything need be hidden.

Levels are fixed before a period is counted, since levels that followed the figures would tell of them. So plan on a
period that is not published, or long ago; --write pins what is proposed, for periods after it. Each set of levels is
built and protected beside everything that is out, as by `noren build`; no candidate is kept. Where noise is added,
how far off figures are is told of each margin; where it is drawn, by declared bounds alone: then no event is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from anonymization.engine.base import Engine
from anonymization.errors import InputError, ProtectionError, Refusal
from anonymization.files import write_whole
from anonymization.policy.calendar import iso_day, iso_week
from anonymization.policy.crosscheck import BY_WEEK, DAY, NOT_PINNED
from anonymization.policy.load import load_policies
from anonymization.policy.releases import Release
from anonymization.release.inputs import Inputs, opened_events, plan_release
from anonymization.release.protect import protected_tables
from anonymization.release.setting import Setting, opened
from anonymization.release.states import inputs_of
from anonymization.tables.counting.tabulate import tabulate
from anonymization.tables.levels import Ladder, Pins, counted, kept, listed, proposed
from anonymization.tables.method import Promise, method_of
from anonymization.tables.model import TOTAL, Table
from anonymization.tables.plan import Plan, resolve
from anonymization.tables.utility import Utility, utilities
from jobs.foreseen import headlines, promises
from jobs.options import Names, engine_option, master_option, period_option
from jobs.pins import with_pins

LIMITS = (0.05, 0.02, 0.01, 0.0)
"""Shares of persons in finest cells of too few at which levels are looked for."""
KEPT = 0.95
"""Of each measure, the share of persons in published finest cells that levels are good enough with."""


@click.command("plan", help=__doc__)
@click.argument("release")
@period_option
@click.option("--keep", type=Names(), default=(), help="Dimensions of which every code stands, with commas between.")
@click.option(
    "--persons",
    type=click.IntRange(0),
    help="From how many persons expected on the pins are; default: as many as are expected.",
)
@click.option("--write", is_flag=True, help="Pin what is proposed in the release's file, for the persons expected.")
@engine_option
@master_option
def command(
    release: str,
    period: str,
    keep: tuple[str, ...],
    persons: int | None,
    engine: str,
    master: str | None,
    *,
    write: bool,
) -> None:
    with opened() as setting:
        whole, _ = plan_release(setting.policies, release, period, expected=_size(setting, persons))
        if method_of(whole.method).drawn:
            if write or keep:
                raise InputError(f"release {release!r}: of drawn noise no levels are proposed that --write could pin")
            for line in foreseen(whole):
                click.echo(line)
            return
        made = plan(setting, release, period, keep=keep, persons=persons, engine=engine, master=master)
        for line in [*lines(made), *promises(whole, _promised(whole))]:
            click.echo(line)
        if write:
            path = setting.policies.folder / "releases" / f"{release}.yaml"
            text = with_pins(path.read_text(encoding="utf-8"), made.persons, made.best.pins)
            write_whole(path, text.encode())
            load_policies(setting.policies.folder).release(release)
            click.echo(f"pinned in {path}, from {made.persons:,} persons on")
        else:
            click.echo("Nothing was changed; --write pins what is proposed, for periods after this one.")


def _size(setting: Setting, persons: int | None) -> int | None:
    return persons if persons is not None else setting.expected_persons


def foreseen(plan: Plan) -> list[str]:
    """Return what a release whose noise is drawn will show, by its declaration alone: no event is read."""
    found = _promised(plan)
    return [
        f"{plan.release.release} {plan.period.name}, {plan.method}, by declared bounds alone",
        f"  headlines {headlines(found):,} of {headlines(found):,}: noise hides no figure",
        *promises(plan, found),
        "Nothing was counted, and nothing of the privacy budget is spent.",
    ]


def _promised(plan: Plan) -> tuple[Promise, ...]:
    return method_of(plan.method).promised(plan, plan.release.protection)


@dataclass(frozen=True)
class Trial:
    """A set of levels, built.

    Attributes:
        name: what it is.
        pins: of the dimensions of which not every code stands.
        codes: of each dimension, its finest codes.
        bits: entropy of a person's finest cell, the least of all measures of persons.
        left: what of each measure is published; none where it cannot be protected.
        seconds: of protection.
    """

    name: str
    pins: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, int]
    bits: float
    left: tuple[Utility, ...]
    seconds: float

    @property
    def headlines(self) -> tuple[int, int]:
        """Headlines published, and all, of every measure."""
        return sum(one.headlines[0] for one in self.left), sum(one.headlines[1] for one in self.left)

    @property
    def share(self) -> float:
        """Of persons in published finest cells, the least of all measures."""
        return min((one.share for one in self.left), default=0.0)

    @property
    def whole(self) -> bool:
        """Whether every headline is published."""
        return bool(self.left) and self.headlines[0] == self.headlines[1]


@dataclass(frozen=True)
class Planned:
    """What is proposed for a release.

    Attributes:
        persons: from how many persons expected on.
        trials: the declared levels first.
        best: of them: every headline and `KEPT` of the persons, of those the most information; else the most persons.
    """

    release: str
    period: str
    persons: int
    trials: tuple[Trial, ...]
    best: Trial


def plan(
    setting: Setting,
    name: str,
    period: str,
    *,
    keep: Sequence[str] = (),
    persons: int | None = None,
    engine: str = "duckdb",
    master: str | None = None,
) -> Planned:
    """Return the levels proposed, and what each set of levels that was tried keeps.

    Raises:
        Refusal: at no levels the tables can be protected.
        InputError: no dimension has codes to pin, a name is of no dimension, or there are no events.
    """
    expected = _size(setting, persons)
    whole, _ = plan_release(setting.policies, name, period)
    if method_of(whole.method).drawn or whole.withheld:
        raise InputError(f"release {name!r}: levels are planned where figures are hidden one by one, and listed")
    if unknown := sorted(set(keep) - set(whole.release.dimensions)):
        raise InputError(f"--keep: {unknown} are no dimensions of {name!r}; it has {sorted(whole.release.dimensions)}")
    inputs = inputs_of(setting, whole.release.sources, whole.period, judging=whole.judging, barred=whole.barred)
    with opened_events(setting.home, setting.policies, inputs, engine=engine, master=master) as (at, events):
        true = tabulate(at, whole, events)
        _require_a_total(true, name, whole.minimum_count)
        ladders = _ladders(setting, whole, true, keep)
        if all(ladder.fixed for ladder in ladders.values()):
            raise InputError(f"release {name!r} has no dimension of which codes could be given up")
        cells = [counted(table, ladders) for table in true]
        found = {"as declared": _standing(whole.release, expected, ladders)}
        for limit in LIMITS:
            pins = proposed(cells, ladders, whole.minimum_count, limit)
            if pins not in found.values():
                found[f"at most {limit:.0%} in cells of too few"] = pins
        trials = tuple(
            _tried(
                setting, whole, inputs, (at, events), label, _declared(whole.release, pins, ladders),
                float(kept(cells, ladders, pins, whole.minimum_count).bits.min()),
            )
            for label, pins in found.items()
        )  # fmt: skip
    able = [trial for trial in trials if trial.left]
    if not able:
        raise Refusal(f"release {name!r} cannot be protected at any levels that were tried")
    good = [trial for trial in able if trial.whole and trial.share >= KEPT]
    best = max(good, key=lambda t: t.bits) if good else max(able, key=lambda t: (t.whole, t.share))
    size = expected if expected is not None else _rounded_down(true)
    return Planned(name, whole.period.name, size, trials, best)


def _require_a_total(tables: Sequence[Table], name: str, least: int) -> None:
    """Refuse a release whose every level is unsafe.

    Raises:
        Refusal: fewer persons are in a whole table than may be published.
    """
    for table in tables:
        whole = (table.frame[table.keys] == TOTAL).all(axis=1).to_numpy()
        for measure in (m for m in table.measures if m.how.persons):
            if (table.few(measure, least) & whole).any():
                raise Refusal(
                    f"release {name!r}: {table.name}.{measure.name} is of fewer than {least} persons in all: no levels"
                    " help; declare a longer period, or another population"
                )


def _ladders(setting: Setting, plan: Plan, tables: Sequence[Table], keep: Sequence[str]) -> dict[str, Ladder]:
    """What may stand for the values of each dimension of the tables."""
    found, policies = {}, setting.policies
    for dimension in (dimension for table in tables for dimension in table.dimensions):
        name, spec = dimension.name, plan.release.dimensions[dimension.name]
        chains = None if spec.column in NOT_PINNED else spec.chains(policies.hierarchies, policies.codelists)
        if spec.column == DAY:
            days = {iso_day(day): iso_week(day) for day in range(plan.period.first, plan.period.past)}
            chains = {day: (day, week) for day, week in days.items()}
            found[name] = Ladder(chains, whole=True, fixed=name in keep)
        elif chains is not None:
            unknown = frozenset(spec.standing(chains, ()))
            found[name] = Ladder({chain[0]: chain for chain in chains.values()}, unknown, fixed=name in keep)
        else:
            leaves = sorted(set(dimension.parents) - dimension.inner)
            found[name] = Ladder({code: (code,) for code in leaves}, fixed=True)
    return found


def _standing(release: Release, expected: int | None, ladders: Mapping[str, Ladder]) -> Pins:
    """Every code that stands by the release's own pins, by dimension."""
    pins, found = release.pinned(expected), {}
    for name, ladder in ladders.items():
        if name not in pins or ladder.fixed:  # also where `--keep` says so
            found[name] = ladder.codes
        elif release.dimensions[name].column == DAY:
            found[name] = ladder.codes - set(ladder.chains)
        else:
            found[name] = ladder.unknown | set(pins[name])
    return found


def _declared(release: Release, pins: Pins, ladders: Mapping[str, Ladder]) -> dict[str, tuple[str, ...]]:
    """Pins as a release declares them: weeks by their name."""
    by_name = listed(pins, ladders)
    return {name: BY_WEEK if release.dimensions[name].column == DAY else codes for name, codes in by_name.items()}


def _tried(
    setting: Setting,
    whole: Plan,
    inputs: Inputs,
    at: tuple[Engine, Mapping[str, str]],
    label: str,
    pins: dict[str, tuple[str, ...]],
    bits: float,
) -> Trial:
    """Build and protect at some pins, and note what is left."""
    release = whole.release.model_copy(update={"pins": {0: pins}})
    plan = resolve(setting.policies, release, whole.period, expected=0)
    true = tabulate(at[0], plan, at[1])
    began = time.process_time()
    left: tuple[Utility, ...] = ()
    try:
        counting = {m.name for table in true for m in table.measures if m.how.persons}
        safe = protected_tables(setting, plan, {}, inputs, lambda: true).tables
        left = tuple(one for one in utilities(true, safe) if one.measure in counting)
    except ProtectionError as error:
        if not error.cells:  # what is declared does not do, at whatever levels
            raise
    codes = {d.name: len(set(d.parents) - d.inner) for table in true for d in table.dimensions}
    return Trial(label, pins, codes, bits, left, time.process_time() - began)


def _rounded_down(tables: Sequence[Table]) -> int:
    """The largest grand total, to one digit: no more of it goes into a file."""
    most = max(int(table.frame[m.name].max()) for table in tables for m in table.measures if m.how.persons)
    return int(f"{str(most)[0]:0<{len(str(most))}}")


def lines(made: Planned) -> list[str]:
    """Return the plan in words."""
    told = [f"{made.release} {made.period}, from {made.persons:,} persons expected on"]
    for trial in made.trials:
        size = " × ".join(f"{n} {name}" for name, n in trial.codes.items())
        told.append(f"{'→' if trial is made.best else ' '} {trial.name}: {size}, {trial.bits:.2f} bits")
        if not trial.left:
            told.append("    cannot be protected: what must be hidden follows from what is out")
        told += [f"    {one.table}.{one.measure}: {one}" for one in trial.left]
        told.append(f"    protected in {trial.seconds:.1f} CPU s")
    told.append(f"Proposed: {made.best.name}.")
    for name, codes in made.best.pins.items():
        told.append(f"  {name}: {', '.join(codes)}")
    if not made.best.pins:
        told.append("  every code stands by itself")
    if not (made.best.whole and made.best.share >= KEPT):
        told.append(f"  No levels that were tried keep every headline and {KEPT:.0%} of the persons of each measure.")
    return told

"""Removals: whoever opted out after figures with him were published leaves everything that is built from then on.

A removal is never held back. What it would tell keeps the gate closed (`release/gate/changed.py`) until enough others
have left the same figures; here is how many that concerns.
"""

from __future__ import annotations

from anonymization.engine.base import Engine
from anonymization.release.candidate import load_candidate
from anonymization.release.inputs import EVERY, Inputs, make_left_out
from anonymization.release.ledger.ledger import EntryKind
from anonymization.release.left_out import LEFT_OUT, rounded_up
from anonymization.release.setting import Setting
from anonymization.release.sharing import About, sharing
from anonymization.tables.plan import Plan

REMOVED = "persons who opted out since they were published, at most"
"""The name of that figure in a request."""
THEN = f"{LEFT_OUT}_then"


def removed_since(engine: Engine, setting: Setting, plan: Plan, inputs: Inputs) -> int:
    """Return how many persons of a release have opted out since something that shares persons with it was published.

    It is rounded up to a multiple of the minimum publishable count: how few they are is nobody's affair.

    Args:
        engine: that `opened_events` yields.
        setting: the home.
        plan: of the release.
        inputs: what it is built of.
    """
    sources, period = plan.release.sources, plan.period
    with setting.ledger.transaction() as transaction:
        out = sharing(
            transaction.entries(kind=EntryKind.PUBLICATION), [About(frozenset(sources), period.first, period.past)]
        )
    kept = [load_candidate(setting.home, setting.ledger, entry.subject).request.choices for entry in out]
    first = min(kept, key=lambda choices: choices.get("last", 0), default=None)
    if first is None or first.get("last", 0) >= inputs.choices.last:
        return 0
    then = inputs.as_considered(first)
    make_left_out(engine, setting.home, setting.policies, then, THEN)
    rows = " UNION ALL ".join(f"SELECT e.p AS p, e.day AS day FROM {EVERY}_{source} AS e" for source in sources)
    left = f"SELECT o.p AS p, o.holder AS holder FROM {LEFT_OUT} AS o ANTI JOIN {THEN} AS t ON o.p = t.p"
    found = engine.fetch(
        f"SELECT count(DISTINCT l.holder) AS n FROM ({rows}) AS r INNER JOIN ({left}) AS l ON r.p = l.p"
        f" WHERE r.day >= {period.first} AND r.day < {period.past}"
    )
    engine.drop(THEN)
    return rounded_up(int(found.column("n")[0].as_py()), max(plan.minimum_count, 2))

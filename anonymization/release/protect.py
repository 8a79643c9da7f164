"""Protection of a release: by which method, within what is left of the budget, and beside everything that is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from anonymization.errors import PolicyRefusal
from anonymization.keys import PeriodKeys
from anonymization.policy.periods import Period
from anonymization.policy.protection import CellKey, DifferentialPrivacy, Suppression
from anonymization.release.budget import price, require_left
from anonymization.release.claims import claim, require_one_method
from anonymization.release.draws import draw_digest, store_draw, stored_draw
from anonymization.release.earlier import earlier_issues
from anonymization.release.setting import Setting
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.methods.cell_key import perturbed
from anonymization.tables.methods.cell_key_attack import unpinned
from anonymization.tables.methods.differential_privacy import drawn
from anonymization.tables.methods.suppression import Protected, alone, protect
from anonymization.tables.methods.unlisted import withhold
from anonymization.tables.methods.unsafe import Rules
from anonymization.tables.model import SafeTable, Table
from anonymization.tables.plan import Plan

CANDIDATE = "this candidate"
"""What messages call the release that is being built or gated."""


def rules_of(plan: Plan) -> Rules:
    """Return what makes a cell of a release unsafe."""
    protection = plan.release.protection
    if not isinstance(protection, Suppression):
        return Rules(plan.minimum_count, None, None)
    dominance = (protection.dominance.persons, protection.dominance.percent)
    return Rules(plan.minimum_count, dominance, protection.p_percent, frozenset(protection.sensitive))


def claimed_by(setting: Setting, plan: Plan) -> dict[str, object]:
    """How the release protects whom, if nothing that is out protects them in another way."""
    recipient = setting.policies.recipients[plan.release.recipient]
    claimed = claim(plan.release, plan.period, recipient, PeriodKeys(setting.home))
    with setting.ledger.transaction() as transaction:
        days = {"first_day": plan.period.first, "past_day": plan.period.past}
        require_one_method(claimed | days, transaction)
    return claimed


def privacy_of(setting: Setting, plan: Plan, logs: Mapping[str, list[str]]) -> dict[str, str]:
    """What the release would spend, if enough is left of the budget; nothing without differential privacy."""
    protection, budget = plan.release.protection, setting.policies.policy.house_rules.privacy_budget
    if not isinstance(protection, DifferentialPrivacy):
        return {}
    if budget is None:
        raise PolicyRefusal("the house rules declare no `privacy_budget`: nothing can be spent")
    privacy = price(protection, budget, plan.period, draw_digest(plan, logs))
    with setting.ledger.transaction() as transaction:
        require_left(transaction, plan.release.sources, privacy)
    return privacy


def protected_tables(
    setting: Setting, plan: Plan, privacy: Mapping[str, str], tables: Callable[[], tuple[Table, ...]]
) -> Protected:
    """Return the tables as they may be published, beside everything that shares persons and is out.

    Noise that was drawn before is not drawn again: then the tables are not even counted.
    """
    protection, period = plan.release.protection, plan.period
    if isinstance(protection, DifferentialPrivacy):
        stored = stored_draw(setting.home, plan, privacy["draw"])
        return alone(stored or store_draw(setting.home, plan, privacy["draw"], drawn(tables(), protection)))
    if isinstance(protection, CellKey):
        return alone(with_noise(tables(), protection, period, withheld=plan.withheld))
    earlier = [] if plan.withheld else earlier_issues(setting, plan.release.sources, period.first, period.past)
    return suppressed(plan, tables(), earlier)


def with_noise(
    true: tuple[Table, ...], protection: CellKey, period: Period, *, name: str = CANDIDATE, withheld: bool = False
) -> tuple[SafeTable, ...]:
    """Return the tables with the noise of cell keys; what is hidden stays uncertain before who knows the noise."""
    noisy = perturbed(true, protection, withheld=withheld)
    return noisy if withheld else unpinned(Issue(name, period, noisy, protection.minimum_count, protection), true)


def suppressed(plan: Plan, true: tuple[Table, ...], earlier: Sequence[Issue] = ()) -> Protected:
    """Return the tables with unsafe figures hidden or, if the release withholds zeros, not listed."""
    if plan.withheld:
        return alone(withhold(true, plan.minimum_count))
    return protect(true, Issue(CANDIDATE, plan.period, true, plan.minimum_count), rules_of(plan), earlier)

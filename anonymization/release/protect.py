"""Protection of a release: by which method, within what is left of the budget, and beside everything that is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from anonymization.errors import PolicyRefusal
from anonymization.keys import PeriodKeys
from anonymization.release.budget import price, require_left
from anonymization.release.claims import claim, require_one_method
from anonymization.release.draws import draw_digest, store_draw, stored_draw
from anonymization.release.earlier import earlier_issues
from anonymization.release.inputs import Inputs
from anonymization.release.neighbours import neighbours
from anonymization.release.setting import Setting
from anonymization.tables.audit.neighbours import Neighbour
from anonymization.tables.audit.sheets import Issue
from anonymization.tables.method import Protected, method_of
from anonymization.tables.model import SafeTable, Table
from anonymization.tables.plan import Plan


def claimed_by(setting: Setting, plan: Plan) -> dict[str, object]:
    """How the release protects whom, if nothing that is out protects them in another way."""
    recipient = setting.policies.recipients[plan.release.recipient]
    claimed = claim(plan.release, plan.period, recipient, PeriodKeys(setting.home))
    with setting.ledger.transaction() as transaction:
        days = {"first_day": plan.period.first, "past_day": plan.period.past}
        require_one_method(claimed | days, transaction)
    return claimed


def privacy_of(setting: Setting, plan: Plan, logs: Mapping[str, list[str]], left_out: str) -> dict[str, str]:
    """What the release would spend, if enough is left of the budget; nothing where its method spends nothing."""
    cost, budget = (
        method_of(plan.method).cost(plan.release.protection),
        setting.policies.policy.house_rules.privacy_budget,
    )
    if cost is None:
        return {}
    if budget is None:
        raise PolicyRefusal("the house rules declare no `privacy_budget`: nothing can be spent")
    privacy = price(cost, budget, plan.period, draw_digest(plan, logs, left_out))
    with setting.ledger.transaction() as transaction:
        require_left(transaction, plan.release.sources, privacy)
    return privacy


@dataclass(frozen=True)
class _Beside:
    """What is out in a home, and the noise that was drawn there."""

    setting: Setting
    plan: Plan
    privacy: Mapping[str, str]
    inputs: Inputs

    def neighbours(self) -> Sequence[Neighbour]:
        return neighbours(self.setting, self.plan, self.inputs)

    def earlier(self) -> Sequence[Issue]:
        plan, period = self.plan, self.plan.period
        return earlier_issues(self.setting, plan.release.sources, period.first, period.past, counted=plan.counted)

    def stored(self) -> tuple[SafeTable, ...] | None:
        return stored_draw(self.setting.home, self.plan, self.privacy["draw"])

    def store(self, tables: tuple[SafeTable, ...]) -> tuple[SafeTable, ...]:
        return store_draw(self.setting.home, self.plan, self.privacy["draw"], tables)


def protected_tables(
    setting: Setting,
    plan: Plan,
    privacy: Mapping[str, str],
    inputs: Inputs,
    tables: Callable[[], tuple[Table, ...]],
) -> Protected:
    """Return the tables as they may be published, and their errors, beside what shares persons and is out."""
    method, protection = method_of(plan.method), plan.release.protection
    protected = method.protect(plan, protection, tables, _Beside(setting, plan, privacy, inputs))
    return replace(protected, tables=method.errors(plan, protection, protected.tables))

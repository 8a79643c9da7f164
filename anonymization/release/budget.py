"""The privacy budget: what differential privacy may cost the persons of a source in a month, over all recipients.

Recipients can put releases together, and days lie in months: so there is one account a source and month, in rho of
zero-concentrated differential privacy (costs add up: Bun & Steinke 2016, "Concentrated Differential Privacy") and in
the delta of selections. A release spends on every source that it reads, in the transaction that publishes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from anonymization.errors import IntegrityError, PolicyRefusal
from anonymization.policy.model import PrivacyBudget
from anonymization.policy.periods import Period
from anonymization.policy.protection import Cost
from anonymization.release.ledger.ledger import EntryKind, Spending, Transaction

AMOUNTS = ("rho", "delta")


def price(cost: Cost, budget: PrivacyBudget, period: Period, draw: str) -> dict[str, str]:
    """Return what a release spends, as its request holds it: exact decimals as text.

    Keys: `month`, `draw`, `rho`, `delta`, and what may be spent in all, `budget_rho` and `budget_delta`.
    """
    return {
        "month": f"{period.first_date:%Y-%m}",
        "draw": draw,
        "rho": f"{cost.rho:f}",
        "delta": f"{cost.delta:f}",
        "budget_rho": f"{budget.rho:f}",
        "budget_delta": f"{budget.delta:f}",
    }


def require_left(transaction: Transaction, sources: Sequence[str], privacy: Mapping[str, str]) -> None:
    """Refuse what would overspend a source's budget of the month; a draw that was spent before costs nothing.

    Raises:
        PolicyRefusal: the source, what is left, and who spent.
        IntegrityError: the account is not what the ledger's chain says.
    """
    if not privacy:
        return
    account = checked(transaction)
    for source in sorted(set(sources)):
        spent = [one for one in account if (one.source, one.month) == (source, privacy["month"])]
        if any(one.draw == privacy["draw"] for one in spent):
            continue
        for amount in AMOUNTS:
            before = sum((getattr(one, amount) for one in spent), Decimal(0))
            asked, most = Decimal(privacy[amount]), Decimal(privacy[f"budget_{amount}"])
            if before + asked > most:
                by = ", ".join(one.candidate for one in spent) or "nobody"
                raise PolicyRefusal(
                    f"the privacy budget of source {source!r} in {privacy['month']} does not allow it: {amount}"
                    f" {before:f} of {most:f} is spent (by {by}), and the release asks for {asked:f}"
                )


def spend(transaction: Transaction, candidate: str, sources: Sequence[str], privacy: Mapping[str, str]) -> None:
    """Record what a publication spends, in its transaction, which `require_left` has let through."""
    if not privacy:
        return
    known = {(one.source, one.month, one.draw) for one in transaction.spent()}
    for source in sorted(set(sources)):
        if (source, privacy["month"], privacy["draw"]) not in known:
            rho, delta = (Decimal(privacy[amount]) for amount in AMOUNTS)
            transaction.spend(Spending(source, privacy["month"], privacy["draw"], candidate, rho, delta))


def account_lines(transaction: Transaction, budget: PrivacyBudget | None) -> list[str]:
    """Return a line a source and month of which something was spent.

    Raises:
        IntegrityError: the account is not what the ledger's chain says.
    """
    if not any(entry.payload.get("privacy") for entry in transaction.entries(kind=EntryKind.PUBLICATION)):
        return []  # also where the ledger is of a time before budgets
    sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for one in checked(transaction):
        rho, delta = sums.get((one.source, one.month), (Decimal(0), Decimal(0)))
        sums[one.source, one.month] = (rho + one.rho, delta + one.delta)
    most = ("", "") if budget is None else (f" of {budget.rho:f}", f" of {budget.delta:f}")
    return [
        f"privacy budget of {source}, {month}: rho {rho:f}{most[0]}, delta {delta:f}{most[1]} spent"
        for (source, month), (rho, delta) in sums.items()
    ]


def checked(transaction: Transaction) -> list[Spending]:
    """Return the account, if it is what the chained entries of publications say.

    Raises:
        IntegrityError: it is not.
    """
    chained: dict[tuple[str, str, str], Spending] = {}
    for entry in transaction.entries(kind=EntryKind.PUBLICATION):
        privacy: Mapping[str, str] = entry.payload.get("privacy") or {}
        for source in sorted(set(entry.payload["sources"])) if privacy else ():
            rho, delta = (Decimal(privacy[amount]) for amount in AMOUNTS)
            one = Spending(source, privacy["month"], privacy["draw"], entry.subject, rho, delta)
            chained.setdefault((one.source, one.month, one.draw), one)
    account = transaction.spent()
    if account != [chained[key] for key in sorted(chained)]:
        raise IntegrityError("the privacy budget's account is not what the ledger's chain says was spent")
    return account

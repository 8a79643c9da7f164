"""The whole path with people who do not exist: from logs to signed releases, in a home of its own."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import Progress

from anonymization.deidentify.taken import IntakeRun
from anonymization.errors import Refusal
from anonymization.home import DEMO_OFFICERS, Home
from anonymization.keys import generate_officer_key, load_private_key
from anonymization.release.candidate import load_candidate
from anonymization.release.choices import optouts
from anonymization.release.decision import Outcome, decide
from anonymization.release.publish import Published, publish
from anonymization.release.setting import Setting, enrol_in_demo
from jobs.dossier import review
from jobs.taking import arrivals, run_intake
from jobs.verbs.build import build
from jobs.verbs.gate import gate
from jobs.verbs.init import initialize

OFFICER = "demo-officer"
RELEASES = (
    "monthly-audience",
    "media-and-ads",
    "search-trends",
    "service-usage",
    "web-audience",
    "population-by-place",
)


def open_demo(home: Home, expected: int | None = None) -> None:
    """Make a home whose officer's key lies in it, or take one that was made so.

    Args:
        home: where.
        expected: how many persons it will hold, if that is declared.

    Raises:
        Refusal: the home is in real use.
    """
    marker = home.root / DEMO_OFFICERS
    if initialize(home, demo=True, expected=expected):
        public = generate_officer_key(home.keys / f"{OFFICER}.key")
        enrol_in_demo(home, OFFICER, public_key=public)
    elif not marker.exists():
        raise Refusal(f"{home.root} is in real use: a demo does not write there; set NOREN_HOME to another folder")


def take_logs_in(setting: Setting, bar: Progress) -> IntakeRun:
    """Take everything of landing/ in."""
    files = arrivals(setting.home, setting.policies)
    step = bar.add_task("Taking logs in", total=len(files))
    return run_intake(
        setting.home, setting.policies, files, optouts=optouts(setting.home), kept_from=setting.kept_from,
        progress=lambda _: bar.advance(step), rewritten=setting.rewritten,
    )  # fmt: skip


def release(setting: Setting, name: str, month: str, advance: Callable[[], None] = lambda: None) -> Published:
    """Build, gate, review, approve and publish a release as the demo's officer, who reads nothing.

    Raises:
        Refusal: the gate is closed, or what was built is out already.
    """
    candidate = build(setting, name, month)
    advance()
    result = gate(setting, candidate.id)
    advance()
    if not result.opened:
        raise Refusal(f"{name} {month}: the gate is closed: " + "; ".join(result.reasons))
    review(setting, candidate.id)
    key = load_private_key(setting.home.keys / f"{OFFICER}.key")
    decide(
        setting.ledger, load_candidate(setting.home, setting.ledger, candidate.id), outcome=Outcome.APPROVED,
        officer=OFFICER, officers=setting.officers, key=key, reason="demo",
    )  # fmt: skip
    advance()
    return publish(
        setting.home, setting.ledger, candidate.id,
        officers=setting.officers, policy_digest=setting.policies.digest_of(name), stocks=setting.policies.stocks,
        demo=True,
    )  # fmt: skip

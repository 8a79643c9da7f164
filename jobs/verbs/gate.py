"""Check CANDIDATE against the events and everything that is out; exit 1 while the gate is closed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import click
import pandas as pd

from anonymization.deidentify.frames import intake_frames
from anonymization.errors import Refusal
from anonymization.files import indented, write_private
from anonymization.release.candidate import Candidate, load_candidate, read_standing
from anonymization.release.delivered import require_known
from anonymization.release.draws import draw_digest, stored_draw
from anonymization.release.earlier import earlier_issues
from anonymization.release.gaps import MENDED, acknowledged, told
from anonymization.release.gate.against_draw import against_draw
from anonymization.release.gate.attacks import FINDINGS, Attacked, as_frame, attack_candidate, system_of
from anonymization.release.gate.changed import changed
from anonymization.release.gate.compare import against_recount, count_again, labels, plan_again
from anonymization.release.gate.declared import collected, policy, schema, texts
from anonymization.release.gate.hidden import hidden_headlines, hidden_shares, lost_headlines, too_much
from anonymization.release.gate.neighbouring import neighbouring
from anonymization.release.gate.unchanged import require_unchanged
from anonymization.release.gate.verdict import FILE, record_verdict, verdict_digest
from anonymization.release.issues import issue_of
from anonymization.release.neighbours import neighbours
from anonymization.release.package import Package, read_package
from anonymization.release.proofs import read_proof, wipe_proof
from anonymization.release.setting import Setting, opened
from anonymization.tables.audit.audit import margins
from anonymization.tables.audit.sheets import CANDIDATE
from anonymization.tables.method import method_of
from anonymization.tables.plan import Plan
from anonymization.tables.utility import noted
from expectations.gate import CandidateFrames, check_candidate, check_intake, reasons
from expectations.run import SuiteResult
from jobs.console import check_lines
from jobs.own_suites import own_suites
from jobs.scopes import scopes_of
from jobs.stage import tell

TOLD = 20
"""Findings that stand in the reasons; all of them stand in the evidence."""


@click.command("gate", help=__doc__)
@click.argument("candidate")
def command(candidate: str) -> None:
    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        result = gate(setting, candidate)
        checked = load_candidate(setting.home, setting.ledger, candidate)
    tell(candidate=candidate, digest=checked.request.digest)
    tell(verdict=checked.evidence / FILE, verdict_digest=verdict_digest(checked))
    for line in check_lines(result.results):
        click.echo(line)
    if not result.opened:
        tell(reasons=list(result.reasons))
        raise Refusal("the gate is closed:\n  " + "\n  ".join(result.reasons))
    click.echo(f"the gate is open for {candidate}")


@dataclass(frozen=True)
class GateResult:
    """What the gate said, and why not, if it is closed."""

    opened: bool
    results: tuple[SuiteResult, ...]
    reasons: tuple[str, ...]


def gate(setting: Setting, identity: str) -> GateResult:
    """Check a candidate and record the verdict.

    Raises:
        InputError: no such candidate.
        IntegrityError: the candidate is not what was built.
    """
    candidate = load_candidate(setting.home, setting.ledger, identity)
    read_standing(candidate)  # a release whose needs are lost would stop every one after it
    suites = own_suites(setting.policies)
    results: tuple[SuiteResult, ...] = ()
    attacked, system = Attacked(), {}
    try:
        with setting.ledger.transaction() as transaction:
            require_known(setting.home, transaction)
        plan, inputs = plan_again(setting, candidate)
        package = read_package(candidate.package)
        recounted, gaps = count_again(setting, plan, inputs, package)
        unknown = acknowledged(setting.ledger, setting.officers).without(gaps)
        request = candidate.request
        span = (request.first_day, request.past_day)
        earlier = earlier_issues(setting, request.sources, *span, counted=plan.counted)
        require_unchanged(earlier, request.sources, setting.rewritten)
        proof = read_proof(candidate)
        issue = replace(issue_of(package, CANDIDATE), inputs=request.inputs, choices=request.choices)
        attacked = attack_candidate(plan, package, issue, recounted, earlier, proof)
        attacked.together += changed(setting, plan, inputs, issue, package.tables, earlier, recounted)
        months = neighbours(setting, plan, inputs)
        attacked.together += neighbouring(plan, package, issue, recounted, earlier, months, proof)
        days = collected(inputs, package, gaps, unknown)
        frames = _frames(setting, candidate, plan, package, recounted, attacked, days)
        taken = [one for of_source in inputs.taken.values() for one in of_source]
        intake = check_intake(*intake_frames(taken, setting.policies), suites)
        beside = [*earlier, *(one for month in months for one in month.issues)]
        system = system_of(issue, beside)
        scopes = scopes_of(plan, issue, package.tables, beside)
        results = (*intake, *check_candidate(frames, suites, scopes))
        lacking = [f"{gap}: {MENDED}" for gap in told(unknown)]
        closed = [*attacked.unsettled, *reasons(results), *_told(plan, frames), *lacking]
    except Refusal as error:
        closed = [*attacked.unsettled, str(error)]
    closed += [str(finding) for finding in attacked.findings[:TOLD]]
    opened = bool(results) and not closed
    content = [asdict(finding) for finding in attacked.findings]
    write_private(candidate.evidence / FINDINGS, indented(content, as_given=True))
    record_verdict(
        setting.ledger, candidate, opened=opened, suites=[result.as_dict() for result in results], reasons=closed,
        suites_digest=suites.digest, attack=system,
    )  # fmt: skip
    wipe_proof(candidate)
    return GateResult(opened, results, tuple(closed))


def _frames(
    setting: Setting,
    candidate: Candidate,
    plan: Plan,
    package: Package,
    recounted: pd.DataFrame,
    attacked: Attacked,
    days: pd.DataFrame,
) -> CandidateFrames:
    request = candidate.request
    if method_of(plan.method).drawn:
        stored = stored_draw(setting.home, plan, draw_digest(plan, request.inputs, request.choices.get("state", "")))
        cells, complete, fits = against_draw(plan, package.tables, stored, recounted)
        covering = pd.DataFrame(columns=["table", "measure", "cell"])
    else:
        cells, complete, covering = against_recount(plan, package.tables, recounted)
        fits = margins(issue_of(package, CANDIDATE))
    return CandidateFrames(
        schema=schema(plan, package.tables),
        cells=cells,
        complete=complete,
        margins=fits,
        audit=as_frame(attacked.alone),
        together=as_frame(attacked.together),
        inside=as_frame(attacked.inside),
        covering=covering,
        identifiers=texts(candidate.package),
        labels=labels(package.tables, recounted),
        levels=hidden_shares(plan, package.tables, recounted, noted(request.utility)),
        headlines=hidden_headlines(
            plan, package.tables, recounted, noted(request.utility), version=_version_is_out(setting, candidate)
        ),
        policy=policy(setting, candidate, plan),
        collected=days,
    )


def _version_is_out(setting: Setting, candidate: Candidate) -> bool:
    """Whether a version of the candidate's release and period was published: its levels are the candidate's."""
    request = candidate.request
    with setting.ledger.transaction() as transaction:
        return bool(transaction.versions(request.release, request.period))


def _told(plan: Plan, frames: CandidateFrames) -> list[str]:
    """What is of less use than the release declares, by how much, and what to do."""
    return [*too_much(plan, frames.levels), *lost_headlines(plan, frames.headlines)[:TOLD]]

"""The dossier that a privacy officer reads before deciding."""

from __future__ import annotations

from anonymization.deidentify.taken import totals
from anonymization.errors import GateRefusal
from anonymization.files import write_private
from anonymization.policy.allowed import check_release
from anonymization.policy.model import Recipient
from anonymization.policy.releases import DimensionKind
from anonymization.release.candidate import Candidate, Request, load_candidate
from anonymization.release.gaps import told
from anonymization.release.gate.verdict import require_open
from anonymization.release.inputs import inputs_again, plan_release
from anonymization.release.left_out import told_of_choices
from anonymization.release.package import read_package
from anonymization.release.removals import REMOVED
from anonymization.release.setting import Setting
from anonymization.release.states import WAITING
from anonymization.tables.counting.facts import OF_UNKNOWN
from anonymization.tables.method import method_of
from anonymization.tables.methods.unsafe_groups import told_groups
from anonymization.tables.model import CONFIDENTIAL, TOTAL, SafeTable, cell_text, error_column
from anonymization.tables.plan import Plan
from anonymization.tables.utility import FOR_MONTHS, noted
from jobs.inert import inert

SAMPLE = 12
GROUPS = 3
DOSSIER = "dossier.md"
LEAVES = (
    "",
    "## What leaves of your decision",
    "",
    "Your name as an officer, your public key and signature, when you decided, and what the decision is bound to.",
    "Your comment stays inside: a salted commitment to it leaves, of which nobody can tell the words.",
)


def review(setting: Setting, identity: str) -> str:
    """Write `evidence/dossier.md` and return its text.

    Raises:
        InputError: no such candidate.
        IntegrityError: the candidate is not what was built.
    """
    candidate = load_candidate(setting.home, setting.ledger, identity)
    asked = candidate.request
    plan, _ = plan_release(setting.policies, asked.release, asked.period, expected=asked.expected_persons)
    text = "\n".join(
        [
            *_head(setting, candidate, plan),
            *_gate(setting, candidate),
            *_utility(candidate),
            *_tables(candidate),
            *_inputs(setting, candidate, plan),
            *LEAVES,
        ]
    )
    write_private(candidate.evidence / DOSSIER, text + "\n")
    return text


def _head(setting: Setting, candidate: Candidate, plan: Plan) -> list[str]:
    request, policies = candidate.request, setting.policies
    release = policies.release(request.release)
    recipient = policies.recipients[request.recipient]
    clauses = check_release(release, policies.policy, policies.sources, policies.links, policies.recipients)
    told = method_of(release.protection.method).told(release.protection)
    joined = ", ".join(link.source for link in policies.links if link.source in request.sources)
    return [
        f"# {release.title.en}, {request.period}: for decision",
        "",
        _built(candidate),
        "",
        f"- **What.** {release.description.en}",
        f"- **To whom.** {recipient.title.en} ({', '.join(_party(recipient))}).",
        f"- **For what.** {policies.policy.purposes[request.purpose].text}",
        f"- **Sources.** {', '.join(request.sources)}{f', joined through {joined}' if joined else ''}.",
        f"- **Protection.** {told.dossier}{_counted(plan)}{_for_earlier(request)}",
        *_left_out(plan, request),
        "",
        "Allowed by:",
        *(f"- {clause}" for clause in clauses),
        "",
    ]


def _party(recipient: Recipient) -> list[str]:
    """Of which class a recipient is, which of the parties that the policy names, and by which contract."""
    named = [] if recipient.member is None else [recipient.member]
    contract = [] if recipient.contract is None else [f"contract {recipient.contract}"]
    return [recipient.recipient_class.value, *named, *contract]


def _counted(plan: Plan) -> str:
    """Whom the threshold counts, where that is not every id."""
    days = max(table.established for table in plan.tables)
    told = f" Only ids count for that which were seen on {days} days, or are members'." if days > 1 else ""
    return told + (" Ids that sign-ins link to one member are one person for that." if plan.judging else "")


def _for_earlier(request: Request) -> str:
    """What it cost that other releases are out."""
    cells = request.figures.get("cells confidential because of earlier releases alone", 0)
    told = f" {cells:,} cells are confidential because of what is out already" if cells else ""
    months = request.figures.get(FOR_MONTHS, 0)
    told += f", {months:,} of them lest two months tell of the few who joined, left or moved" if months else ""
    return f"{told}." if told else ""


def _left_out(plan: Plan, request: Request) -> list[str]:
    """Whom a measure does not count as some attribute of theirs is not known; how few they are is nobody's affair."""
    found = []
    for table in plan.tables:
        people = [d.title["en"].lower() for d in table.dimensions if d.kind is DimensionKind.PERSON]
        for measure in (m for m in table.measures if m.known and m.how.persons):
            most = request.figures.get(f"{table.name}.{measure.name}: {OF_UNKNOWN}", 0)
            number = f"up to {most:,} persons" if most else "nobody"
            found.append(f"- **Left out.** Of {measure.name}, those of unknown {' or '.join(people)}: {number}.")
    return found


def _built(candidate: Candidate) -> str:
    request = candidate.request
    how = f"built on {request.engine} in {request.seconds} s"
    return f"Candidate **{candidate.id}**, requested by {request.requester}, {how}."


def _gate(setting: Setting, candidate: Candidate) -> list[str]:
    lines = ["## The gate", ""]
    try:
        verdict, _ = require_open(setting.ledger, candidate)
    except GateRefusal as error:
        return [*lines, f"**CLOSED.** {inert(str(error))}", ""]
    lines += [
        f"**Open**, checked at {verdict['checked_at']}.",
        "",
        "| what was checked | of what, and what was found | result |",
        "|---|---|---|",
    ]
    for suite in verdict["suites"]:
        lines += [f"| {c['meaning']} | {c['looked_at']} | {c['outcome']} |" for c in suite["checks"]]
    return [*lines, ""]


def _utility(candidate: Candidate) -> list[str]:
    """How much of what was counted is left to read."""
    kept = noted(candidate.request.utility)
    if not kept:
        return []
    lines = [
        "## What is kept",
        "",
        f"Levels: {candidate.request.levels}. Of the cells where somebody is:",
        "",
        "| measure | headlines published | cells published | figures in published finest cells | of every level |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in kept:
        counts = (f"{published:,} of {every:,}" for published, every in (one.headlines, one.cells))
        shares = ("nobody" if not whole else f"{published / whole:.1%}" for published, whole in (one.finest, one.every))
        lines.append(f"| {one.measure} | {' | '.join([*counts, *shares])} |")
    if hidden := [f"- {one.measure}, {inert(cell)}: {why}" for one in kept for cell, why in one.missing]:
        lines += ["", "**Headlines are hidden**:", "", *hidden]
    return [*lines, ""]


def _tables(candidate: Candidate) -> list[str]:
    lines = ["## What would leave", ""]
    for table in read_package(candidate.package).tables:
        lines += [
            f"### {table.title['en']}",
            "",
            *_kept(table),
            *_groups(table),
            "",
            f"The {SAMPLE} largest published cells:",
            "",
        ]
        first = next(m for m in table.measures if m.how.persons)
        largest = table.frame.sort_values(first.name, ascending=False, kind="stable", na_position="last").head(SAMPLE)
        columns = [column for m in table.measures for column in (m.name, error_column(m))]
        shown = largest[[*table.keys, *(c for c in columns if c in largest.columns)]].astype(object)
        lines += ["| " + " | ".join(shown.columns) + " |", "|" + "---|" * len(shown.columns)]
        typed = [name in {d.name for d in table.dimensions if d.open} for name in shown.columns]
        rows = ([_figure(value, typed=by) for value, by in zip(row, typed, strict=True)] for row in shown.to_numpy())
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines.append("")
    return lines


def _groups(table: SafeTable) -> list[str]:
    """Whole groups in one class, which figures over events may tell of."""
    lines = []
    for measure in (m for m in table.measures if m.how.persons):
        for dimension in (d for d in table.dimensions if not d.by_day):  # when somebody was there is no class of theirs
            told = told_groups(table, measure, dimension)
            if len(told):
                cells = (cell_text(table.keys, row) for row in told[table.keys].to_numpy()[:GROUPS])
                such = "; ".join(inert(cell) if any(d.open for d in table.dimensions) else cell for cell in cells)
                lines.append(f"- {measure.title['en']} by {dimension.title['en']}: {len(told):,}, such as {such}")
    least = table.minimum_count
    if not lines:
        return [
            "",
            f"Groups of {least} persons or more of whom all, or all but fewer than {least}, are in one class: none.",
        ]
    return [
        "",
        f"Groups of {least} persons or more of whom all, or all but fewer than {least}, are in one class as well:",
        "",
        *lines,
    ]


def _figure(value: object, *, typed: bool) -> str:
    """A figure or a code; one that outsiders may have typed does nothing in the page."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str) and typed and value != TOTAL:
        return inert(value)
    return str(value) if isinstance(value, str) else "confidential"


def _kept(table: SafeTable) -> list[str]:
    lines = ["| measure | published cells | of them not zero | confidential |", "|---|---:|---:|---:|"]
    for measure in table.measures:
        status = table.frame[f"{measure.name}_status"]
        hidden = int((status == CONFIDENTIAL).sum())
        positive = int((table.frame[measure.name].fillna(0) > 0).sum())
        shown = "not listed" if table.withheld else f"{hidden:,}"
        lines.append(f"| {measure.title['en']} | {len(status) - hidden:,} | {positive:,} | {shown} |")
    grand = table.frame[(table.frame[table.keys] == TOTAL).all(axis=1)]
    if grand.empty or grand[[m.name for m in table.measures]].isna().all(axis=None):
        why = "is not listed: it covers" if table.withheld else "is confidential: it would tell of"
        lines += ["", f"The grand total {why} classes of too few persons."]
    return lines


def _inputs(setting: Setting, candidate: Candidate, plan: Plan) -> list[str]:
    inputs = inputs_again(setting.home, setting.policies, candidate.request.inputs, plan.period)
    lines = [
        "## What it was made of",
        "",
        "| source | files | rows read | accepted | quarantined | dropped |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for source, taken in inputs.taken.items():
        name = f"{source} (read only to tell which ids are one person's)" if source == plan.judging else source
        lines.append("| " + " | ".join([name, *(f"{n:,}" for n in totals(taken))]) + " |")
    conflicts, late = (candidate.request.figures.get(name, 0) for name in ("links in conflict", WAITING))
    waits = "Nobody's late events wait."
    if late:
        waits = (
            f"Late events of up to {late:,} persons wait: beside what is out they would tell of fewer than enough. They"
            " come in by themselves when enough others have come."
        )
    removed = candidate.request.figures.get(REMOVED, 0)
    left = "Nobody opted out since figures that share persons with these were published."
    if removed:
        left = (
            f"Up to {removed:,} persons opted out since figures with them were published, and are in none of these."
            " Where fewer than enough left a figure, the gate stays closed until others have."
        )
    gaps = [
        f"**Logs are missing**: {gap}. Figures of these days are not zero, but unknown."
        for gap in told(candidate.request.gaps)
    ]
    return [
        *lines,
        "",
        *(gaps or ["Logs came of every day on which they are due."]),
        "",
        f"Cookies linked to several members, whose links were not used: {conflicts:,}."
        if plan.linking is not None
        else "Cookies linked to several members: not applicable, as no log of links joins what is counted.",
        "",
        f"Left out by people's choices, beside what the intake dropped: {told_of_choices(candidate.request.choices)}.",
        "",
        left,
        "",
        waits,
    ]

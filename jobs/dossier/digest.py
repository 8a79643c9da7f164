"""The dossier as Markdown: what an officer answers in Airflow's page, and a terminal shows."""

from __future__ import annotations

from collections.abc import Sequence

from anonymization.policy.model import Recipient
from anonymization.policy.releases import DimensionKind
from anonymization.release.candidate import Request
from anonymization.release.gaps import told
from anonymization.release.left_out import told_of_choices
from anonymization.release.not_allowed import told_of_not_allowed
from anonymization.release.removals import REMOVED
from anonymization.release.states import WAITING
from anonymization.tables.counting.facts import OF_UNKNOWN
from anonymization.tables.method import method_of
from anonymization.tables.methods.unsafe_groups import told_groups
from anonymization.tables.model import CONFIDENTIAL, TOTAL, SafeTable, cell_text, error_column
from anonymization.tables.plan import Plan
from anonymization.tables.utility import FOR_MONTHS
from jobs.dossier.facts import Facts
from jobs.inert import inert

SAMPLE = 12
GROUPS = 3
PAGE = "dossier.html"
CONFLICTS = "links in conflict"
LEAVES = (
    "",
    "## What leaves of your decision",
    "",
    "Your name as an officer, your public key and signature, when you decided, and what the decision is bound to.",
    "Your comment stays inside: a salted commitment to it leaves, of which nobody can tell the words.",
)


def as_markdown(facts: Facts) -> str:
    """Return the dossier's text."""
    return "\n".join(
        [
            *_head(facts),
            *_gate(facts),
            *_utility(facts),
            *_tables(facts.package.tables),
            *_inputs(facts),
            *LEAVES,
        ]
    )


def _head(facts: Facts) -> list[str]:
    request, release = facts.candidate.request, facts.release
    built = f"built on {request.engine} in {request.seconds} s"
    joined = f", joined through {', '.join(facts.joined)}" if facts.joined else ""
    return [
        f"# {release.title.en}, {request.period}: for decision",
        "",
        *([f"**{facts.warning}**", ""] if facts.warning else []),
        f"Candidate **{request.candidate}**, requested by {request.requester}, {built}.",
        "",
        f"Each table whole, and pictures: the page `candidates/{request.candidate}/evidence/{PAGE}` of the home.",
        "",
        f"- **What.** {release.description.en}",
        f"- **To whom.** {facts.recipient.title.en} ({', '.join(party(facts.recipient))}).",
        f"- **For what.** {facts.purpose}",
        f"- **Sources.** {', '.join(request.sources)}{joined}.",
        f"- **Protection.** {protection(facts)}",
        *(f"- **Left out.** {line}" for line in left_out(facts.plan, request)),
        "",
        "Allowed by:",
        *(f"- {clause}" for clause in facts.clauses),
        "",
    ]


def protection(facts: Facts) -> str:
    """How it is protected, whom the threshold counts, and what it cost that other releases are out."""
    told = method_of(facts.release.protection.method).told(facts.release.protection)
    return f"{told.dossier}{_counted(facts.plan)}{_for_earlier(facts.candidate.request)}"


def party(recipient: Recipient) -> list[str]:
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


def left_out(plan: Plan, request: Request) -> list[str]:
    """Whom a measure does not count as some attribute of theirs is not known; how few they are is nobody's affair."""
    found = []
    for table in plan.tables:
        people = [d.title["en"].lower() for d in table.dimensions if d.kind is DimensionKind.PERSON]
        for measure in (m for m in table.measures if m.known and m.how.persons):
            most = request.figures.get(f"{table.name}.{measure.name}: {OF_UNKNOWN}", 0)
            number = f"up to {most:,} persons" if most else "nobody"
            found.append(f"Of {measure.name}, those of unknown {' or '.join(people)}: {number}.")
    return found


def _gate(facts: Facts) -> list[str]:
    lines = ["## The gate", ""]
    if facts.verdict is None:
        return [*lines, f"**CLOSED.** {inert(facts.closed)}", ""]
    lines += [
        f"**Open**, checked at {facts.verdict['checked_at']}.",
        "",
        "| what was checked | of what, and what was found | result |",
        "|---|---|---|",
    ]
    for suite in facts.verdict["suites"]:
        lines += [f"| {c['meaning']} | {c['looked_at']} | {c['outcome']} |" for c in suite["checks"]]
    return [*lines, ""]


def _utility(facts: Facts) -> list[str]:
    """How much of what was counted is left to read."""
    kept = facts.kept
    if not kept:
        return []
    lines = [
        "## What is kept",
        "",
        f"Levels: {facts.candidate.request.levels}. Of the cells where somebody is:",
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


def _tables(tables: Sequence[SafeTable]) -> list[str]:
    lines = ["## What would leave", ""]
    for table in tables:
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


def _inputs(facts: Facts) -> list[str]:
    plan, request = facts.plan, facts.candidate.request
    lines = [
        "## What it was made of",
        "",
        "| source | files | rows read | accepted | quarantined | dropped |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for source, counted in facts.read.items():
        name = f"{source} (read only to tell which ids are one person's)" if source == plan.judging else source
        lines.append("| " + " | ".join([name, *(f"{n:,}" for n in counted)]) + " |")
    return [
        *lines,
        "",
        *(f"**Logs are missing**: {gap}" for gap in missing(request)),
        *([] if request.gaps else ["Logs came of every day on which they are due."]),
        *(f"**Not read, as the policy does not allow it**: {line}" for line in told_of_not_allowed(request.barred)),
        "",
        f"Cookies linked to several members, whose links were not used: {request.figures.get(CONFLICTS, 0):,}."
        if plan.linking is not None
        else "Cookies linked to several members: not applicable, as no log of links joins what is counted.",
        "",
        f"Left out by people's choices, beside what the intake dropped: {told_of_choices(request.choices)}.",
        "",
        opted_out(request),
        "",
        late(request),
    ]


def missing(request: Request) -> list[str]:
    """Of which days of which sources logs are missing, and what that says of figures."""
    return [f"{gap}. Figures of these days are not zero, but unknown." for gap in told(request.gaps)]


def opted_out(request: Request) -> str:
    """How many opted out since they were published, as it may be told."""
    if not (removed := request.figures.get(REMOVED, 0)):
        return "Nobody opted out since figures that share persons with these were published."
    return (
        f"Up to {removed:,} persons opted out since figures with them were published, and are in none of these."
        " Where fewer than enough left a figure, the gate stays closed until others have."
    )


def late(request: Request) -> str:
    """Whether late events wait, and of how many, as it may be told."""
    if not (waits := request.figures.get(WAITING, 0)):
        return "Nobody's late events wait."
    return (
        f"Late events of up to {waits:,} persons wait: beside what is out they would tell of fewer than enough. They"
        " come in by themselves when enough others have come."
    )

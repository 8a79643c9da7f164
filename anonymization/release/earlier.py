"""History: what is out already and shares persons with a release; it was published for ever."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from anonymization.errors import InputError, IntegrityError
from anonymization.release.candidate import load_candidate, read_standing
from anonymization.release.delivered import require_known, whole_copy
from anonymization.release.issues import issue_of
from anonymization.release.ledger.ledger import Entry, EntryKind, Publication
from anonymization.release.package import read_package
from anonymization.release.setting import Setting
from anonymization.release.sharing import About, sharing
from anonymization.tables.audit.sheets import Issue, about


def earlier_issues(
    setting: Setting, sources: Sequence[str], first_day: int, past_day: int, *, counted: Collection[str]
) -> list[Issue]:
    """Return every publication that shares persons with a release: a source, and days; withdrawn ones as well.

    So does what shares persons with one of these, as a month tells of all its days. Each with what its figures need
    from now on, and what it was built of. No relation joins figures over different sources: of each publication there
    is what it counts of those that the release counts, and nothing else.

    Args:
        setting: the home.
        sources: that the release reads.
        first_day: its first day, by number.
        past_day: the day after its last one.
        counted: the sources of its measures.

    Raises:
        IntegrityError: the ledger does not know what is out; a published package is damaged, and so is its candidate's;
            or its evidence is not what was built.
    """
    with setting.ledger.transaction() as transaction:
        require_known(setting.home, transaction)
        entries = transaction.entries(kind=EntryKind.PUBLICATION)
    beside = sharing(entries, [About(frozenset(sources), first_day, past_day)])
    every = (about(_issue(setting, entry), counted) for entry in beside)
    return [issue for issue in every if issue.tables]


def _issue(setting: Setting, entry: Entry) -> Issue:
    publication = Publication.of(entry)
    package, told = read_package(whole_copy(setting.home, publication)), str(publication)
    try:
        candidate = load_candidate(setting.home, setting.ledger, entry.subject)
        standing, request = read_standing(candidate), candidate.request
    except InputError:
        raise IntegrityError(f"the evidence of {told} is gone: what its figures need is not known") from None
    return replace(issue_of(package, told), standing=standing, inputs=request.inputs, choices=request.choices)

"""The dossier that a privacy officer reads before deciding: the same facts as a Markdown digest and as a page."""

from __future__ import annotations

from anonymization.files import write_private
from anonymization.release.setting import Setting
from jobs.dossier.digest import PAGE, as_markdown
from jobs.dossier.facts import collect

DOSSIER = "dossier.md"
__all__ = ["DOSSIER", "PAGE", "review", "told"]


def review(setting: Setting, identity: str) -> str:
    """Write `evidence/dossier.md` and `evidence/dossier.html`; return the text of the first.

    Raises:
        InputError: no such candidate.
        IntegrityError: the candidate is not what was built.
    """
    from jobs.dossier.history import history  # noqa: PLC0415 - who asks for the text alone draws nothing
    from jobs.dossier.page import as_html  # noqa: PLC0415

    facts = collect(setting, identity)
    text = as_markdown(facts)
    write_private(facts.candidate.evidence / PAGE, as_html(facts, history(setting, facts)))
    write_private(facts.candidate.evidence / DOSSIER, text + "\n")
    return text


def told(setting: Setting, identity: str) -> str:
    """Return the digest as it is now, and write nothing; raises what `review` does."""
    return as_markdown(collect(setting, identity))

"""The dossier that a privacy officer reads before deciding: the same facts as a Markdown digest and as a page."""

from __future__ import annotations

from anonymization.files import write_private
from anonymization.release.setting import Setting
from jobs.dossier.digest import digest
from jobs.dossier.facts import collect

DOSSIER = "dossier.md"


def review(setting: Setting, identity: str) -> str:
    """Write `evidence/dossier.md` and return its text.

    Raises:
        InputError: no such candidate.
        IntegrityError: the candidate is not what was built.
    """
    facts = collect(setting, identity)
    text = digest(facts)
    write_private(facts.candidate.evidence / DOSSIER, text + "\n")
    return text


def told(setting: Setting, identity: str) -> str:
    """Return the digest as it is now, and write nothing; raises what `review` does."""
    return digest(collect(setting, identity))

"""Show the dossier that a privacy officer reads before deciding."""

from __future__ import annotations

import click

from anonymization.release.candidate import load_candidate
from anonymization.release.setting import opened
from jobs.console import OUT
from jobs.dossier import DOSSIER, PAGE, review
from jobs.stage import tell


@click.command("review", help=__doc__)
@click.argument("candidate")
def command(candidate: str) -> None:
    with opened() as setting:
        tell(policy_digest=setting.policies.digest)
        text = review(setting, candidate)
        shown = load_candidate(setting.home, setting.ledger, candidate)
    tell(candidate=candidate, digest=shown.request.digest, dossier=shown.evidence / DOSSIER, page=shown.evidence / PAGE)
    if OUT.is_terminal:
        from rich.markdown import Markdown  # noqa: PLC0415 - only for people

        OUT.print(Markdown(text))
    else:
        click.echo(text)

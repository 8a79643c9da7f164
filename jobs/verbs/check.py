"""Tell, without any data, whether the policy allows the declared RELEASES (by default all), and by which clauses."""

from __future__ import annotations

from collections.abc import Iterator

import click

from anonymization.errors import DeclarationError, PolicyRefusal, Refusal
from anonymization.home import policy_folder
from anonymization.policy.allowed import check_microdata, check_release
from anonymization.policy.decide import Clause
from anonymization.policy.in_force import refused_by_some
from anonymization.policy.load import Policies, load_policies
from anonymization.policy.requests import today


@click.command("check", help=__doc__)
@click.argument("releases", nargs=-1)
def command(releases: tuple[str, ...]) -> None:
    policies = load_policies(policy_folder())
    names = releases or tuple(sorted({*policies.releases, *policies.release_errors, *policies.microdata}))
    wrong: list[str] = []
    refused: list[str] = []
    for name in names:
        try:
            clauses = allowed_by(policies, name)
        except DeclarationError as error:
            wrong.append(str(error))
        except PolicyRefusal as error:
            refused.append(str(error))
        else:
            click.echo(f"{name}: allowed by")
            for clause in clauses:
                click.echo(f"  {clause}")
            for line in refused_by_some(policies, policies.releases.get(name) or policies.rows(name)):
                click.echo(f"  but {line}")
    for note in () if releases else sources_without_a_release(policies):
        click.echo(note)
    if wrong:
        raise DeclarationError("\n".join([*wrong, *refused]))
    if refused:
        raise Refusal("\n".join(refused))


def sources_without_a_release(policies: Policies) -> Iterator[str]:
    """Yield a line a source that nothing reads and whose file does not say why, or that says why and is read."""
    for name, source in policies.sources.items():
        readers = policies.readers(name)
        if not readers and source.not_released is None:
            yield f"source {name}: no release reads it; say why in `not_released`, or collect it no longer"
        if readers and source.not_released is not None:
            yield f"source {name}: `not_released` says why nothing reads it, and {', '.join(readers)} does"


def allowed_by(policies: Policies, name: str) -> tuple[Clause, ...]:
    """Return the clauses that allow a release, or rows for inside.

    Raises:
        DeclarationError: none is declared of the name, or it is declared wrongly: every error at once.
        PolicyRefusal: it is not allowed: every reason at once.
    """
    known = (policies.policy, policies.sources, policies.links, policies.recipients)
    if name in policies.microdata and name not in policies.releases:
        return check_microdata(policies.microdata[name], *known, on=today(policies))
    return check_release(policies.release(name), *known)

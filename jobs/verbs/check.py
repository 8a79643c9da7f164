"""Tell, without any data, whether the policy allows the declared RELEASES (by default all), and by which clauses."""

from __future__ import annotations

import click

from anonymization.errors import DeclarationError, PolicyRefusal, Refusal
from anonymization.home import policy_folder
from anonymization.policy.allowed import check_microdata, check_release
from anonymization.policy.decide import Clause
from anonymization.policy.load import Policies, load_policies


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
    if wrong:
        raise DeclarationError("\n".join([*wrong, *refused]))
    if refused:
        raise Refusal("\n".join(refused))


def allowed_by(policies: Policies, name: str) -> tuple[Clause, ...]:
    """Return the clauses that allow a release, or rows for inside.

    Raises:
        DeclarationError: none is declared of the name, or it is declared wrongly: every error at once.
        PolicyRefusal: it is not allowed: every reason at once.
    """
    known = (policies.policy, policies.sources, policies.links, policies.recipients)
    if name in policies.microdata and name not in policies.releases:
        return check_microdata(policies.microdata[name], *known)
    return check_release(policies.release(name), *known)

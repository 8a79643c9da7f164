"""Shows in Airflow's page, as an import error, which releases of the policy folder have no DAG, and why."""

from __future__ import annotations

from airflow.sdk import DAG  # noqa: F401 - Airflow looks only into files that name a DAG
from declared import WrongDeclarationError, releases

_, wrong = releases()
if wrong:
    raise WrongDeclarationError("; ".join(wrong))

"""Publish: an approved candidate becomes the next version of its release, and analysts can query it."""

from __future__ import annotations

from anonymization.release.publish import Published
from anonymization.release.publish import publish as publish_candidate
from jobs.answer import decision_source
from jobs.mart import load_mart
from jobs.setting import Setting


def publish(setting: Setting, identity: str) -> tuple[Published, str]:
    """Publish a candidate and load the mart; return the version, and what became of the mart.

    Raises:
        Refusal: the gate is closed, the decision does not hold, the candidate is stale, or its content is out.
        InputError: its officer answers in Airflow, which cannot be asked.
    """
    done = publish_candidate(
        setting.home, setting.ledger, identity,
        officers=setting.officers, policy_digest=setting.policies.digest, demo=setting.demo,
        source=decision_source(setting, identity),
    )  # fmt: skip
    return done, load_mart(setting)


if __name__ == "__main__":
    from jobs.stage import run_stage

    run_stage("publish")

"""Hierarchies of the policy folder, for searches over persons of the events.

Apart from `hierarchies/folder.py`, which serves files of anyone and must not wait for policy and tables to be loaded.
"""

from __future__ import annotations

from anonymization.hierarchies.hierarchy import Hierarchy
from anonymization.policy.load import Policies
from anonymization.policy.sources import UNKNOWN
from anonymization.tables.model import TOTAL


def declared_hierarchy(policies: Policies, attribute: str, hierarchy: str | None, codelist: str | None) -> Hierarchy:
    """Return an attribute's hierarchy of the policy folder, or of a code list's codes, anything on top."""
    if hierarchy is not None:
        return Hierarchy.from_rows(
            attribute, [(value, *above, TOTAL) for value, above in policies.hierarchies[hierarchy].items()]
        )
    codes = dict.fromkeys((*policies.codelists[str(codelist)], UNKNOWN))
    return Hierarchy.from_rows(attribute, [(code, TOTAL) for code in codes])

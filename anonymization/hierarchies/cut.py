"""A cut through a hierarchy: under which code each value of a dimension is published, by the codes that are pinned.

The codes that stand by themselves are closed upwards: with a code every code above it stands. They cut a hierarchy
where it is dense enough: Tokyo by itself, the other prefectures of Kanto as the rest of Kanto, all of Shikoku as one.
Full-subtree and sibling generalization of k-anonymity (Fung, Wang, Chen, Yu, *Privacy-Preserving Data Publishing*, ACM
Computing Surveys 42(4), 2010, section 3.1), fixed before a period is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

OTHER = "_O"
"""The code of what of a dimension has no code that stands, and what follows a code in that of its rest; as in SDMX."""
OTHER_LABELS = ("Other", "その他")


@dataclass(frozen=True)
class Standing:
    """The code that a value counts under.

    Attributes:
        code: the code.
        depth: its level in the hierarchy; 0 is the value itself.
        rest_of: where it is a rest, the code of which it is what does not stand; empty for that of all codes.
    """

    code: str
    depth: int
    rest_of: str | None = None

    def labels(self, of: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
        """Return the code's labels in English and Japanese, of those of declared codes."""
        if self.rest_of is None:
            return of[self.code]
        if not self.rest_of:
            return OTHER_LABELS
        english, japanese = of[self.rest_of]
        return f"Other {english}", f"{japanese}（その他）"


def standing(chains: Mapping[str, Sequence[str]], pins: Collection[str] | None) -> dict[str, Standing]:
    """Return the code that each value counts under.

    Args:
        chains: value to its codes, level by level, finest first; equally many for each.
        pins: the codes that stand, closed upwards; all of them if None.
    """
    if pins is None:
        return {value: Standing(chain[0], 0) for value, chain in chains.items()}
    divided = {above for chain in chains.values() for below, above in pairwise(chain) if below in pins}
    found = {}
    for value, chain in chains.items():
        depth = next((level for level, code in enumerate(chain) if code in pins), len(chain))
        if depth == len(chain):
            found[value] = Standing(OTHER, depth - 1, "")
        elif chain[depth] in divided and depth > 0:
            found[value] = Standing(f"{chain[depth]}{OTHER}", depth - 1, chain[depth])
        else:
            found[value] = Standing(chain[depth], depth)
    return found


def faults(chains: Mapping[str, Sequence[str]], pins: Sequence[str]) -> list[str]:
    """Return what is wrong with pins of a hierarchy, as the ends of sentences about them."""
    above = {code: chain[level + 1 :] for chain in chains.values() for level, code in enumerate(chain)}
    if unknown := sorted(set(pins) - set(above)):
        return [f"are of no code of the hierarchy: {unknown}"]
    found = []
    if not pins:
        found.append("name no code: a dimension of which none stands has nothing to tell; leave it out of the tables")
    if len(set(pins)) < len(pins):
        found.append(f"name a code twice: {sorted({code for code in pins if pins.count(code) > 1})}")
    if bare := sorted(code for code in pins if not set(above[code]) <= set(pins)):
        missing = sorted({up for code in bare for up in above[code]} - set(pins))
        found.append(f"name {bare}, but not what is above: {missing}")
    parts: dict[str, set[str]] = {}
    for value, stands in standing(chains, pins).items():
        if stands.rest_of is not None:
            parts.setdefault(stands.code, set()).add(chains[value][stands.depth])
    if alone := sorted(next(iter(of)) for of in parts.values() if len(of) == 1):
        found.append(f"leave {alone} alone in a rest, which tells of it all the same: pin it, or leave another with it")
    return found

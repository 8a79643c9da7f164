"""What is equal is worked out once: patterns by all workers, what a suite finds and what a file declares by each.

Hundreds of tests build, gate or declare the same; the key of what is remembered is all that it is made of, and whoever asks
gets a copy of their own.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from functools import cache

import pytest

import expectations.run
from anonymization.files import locked
from anonymization.policy import load
from anonymization.tables.methods import suppression

WORTH_KEEPING = 0.1
"""Seconds of solving that are worth a file for the other workers."""


def digest_of(*values):
    return hashlib.sha256(pickle.dumps(values)).hexdigest()


@pytest.fixture(scope="session", autouse=True)
def solved_once(shared):
    """Solves equal problems of secondary suppression once: many tests build the same release of the same month."""
    solve, patterns, folder = suppression.suppress, {}, shared / "solved"
    folder.mkdir(exist_ok=True)

    def remembering(problem, *, watch=None, deadline=None):
        key = digest_of(problem, watch)
        kept = folder / key
        if key not in patterns:
            with locked(folder / f"{key}.lock"):  # another worker may be at it
                if kept.exists():
                    patterns[key] = pickle.loads(kept.read_bytes())
                else:
                    began = time.monotonic()
                    patterns[key] = solve(problem, watch=watch, deadline=deadline)
                    if time.monotonic() - began > WORTH_KEEPING:
                        part = folder / f"{key}.{os.getpid()}"
                        part.write_bytes(pickle.dumps(patterns[key]))
                        part.replace(kept)
        return patterns[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "suppress", remembering)
        yield


@pytest.fixture(scope="session", autouse=True)
def validated_once():
    """Lets Great Expectations look at equal frames by an equal suite once: most frames of two gates are equal."""
    validate, found = expectations.run._validate, {}

    def remembering(suite, frame, parameters):
        key = digest_of(suite, frame, parameters)
        if key not in found:
            found[key] = pickle.dumps(validate(suite, frame, parameters))
        return pickle.loads(found[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expectations.run, "_validate", remembering)
        yield


@pytest.fixture(scope="session", autouse=True)
def parsed_once():
    """Parses equal texts of YAML once: every setting reads the whole policy folder."""
    parse = load._content
    remembered = cache(lambda text: pickle.dumps(parse(text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_content", lambda text: pickle.loads(remembered(text)))
        yield

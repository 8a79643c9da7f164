"""Attacks on pseudonyms: cracking by a list of all ids, and joining periods."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import date

import pytest
from harness.pseudonyms import pseudonym

from anonymization.errors import Refusal
from anonymization.keys import PeriodKeys

BITS = 60
IDS = [f"cookie-{number:04d}" for number in range(400)]
"""All ids there may be: an attacker has the list."""
SALTS = ("", "noren", "cookie", "2026-10", "salt", "pepper")
"""What anybody may guess."""


def guesses(identity):
    """Pseudonyms that need no secret: every common digest of an id, with every salt that may be guessed."""
    for salt in SALTS:
        for text in (identity, f"cookie\x1f{identity}", f"{salt}{identity}", f"{identity}{salt}", f"{salt}:{identity}"):
            for digest in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b):
                yield digest(text.encode()).digest()
            yield hmac.new(salt.encode(), text.encode(), hashlib.sha256).digest()


def cracked(pseudonyms):
    """Ids whose pseudonym is among some, as a number of its first or last bits."""
    known = set(pseudonyms)
    return {
        identity
        for identity in IDS
        for digest in guesses(identity)
        if known & {int.from_bytes(digest, "big") >> (8 * len(digest) - BITS), int.from_bytes(digest[:8], "big") >> 4,
                    int.from_bytes(digest[-8:], "big") & (1 << BITS) - 1, int.from_bytes(digest[:8], "little") & (1 << BITS) - 1}
    }  # fmt: skip


def clicks(day):
    rest = {"ip_address": None, "user_agent": None, "url": "https://a.example/p", "referrer": None, "service": "news"}
    rows = ({"time": f"{day}T12:00:00+09:00", "cookie_id": identity, **rest} for identity in IDS)
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def persons(intake, day):
    taken = intake.take("clicks", clicks(day), f"clicks-{day}.jsonl", arrived=day)
    return {event["p"] for event in intake.events(taken)}


def test_a_list_of_all_ids_cracks_no_pseudonym(intake):
    october = persons(intake, date(2026, 10, 12))
    assert len(october) == len(IDS)
    assert cracked(october) == set()
    # the attack works on a digest without a key, salted or not
    for salt in SALTS:
        plain = {int(hashlib.sha256(f"{salt}{identity}".encode()).hexdigest()[:15], 16) for identity in IDS}
        assert cracked(plain) == set(IDS)


def test_the_persons_of_two_months_do_not_join(intake):
    october, november = (persons(intake, date(2026, month, 12)) for month in (10, 11))
    assert len(october) == len(november) == len(IDS)
    assert october & november == set()
    keys = {person % (1 << 32) for person in october} & {person % (1 << 32) for person in november}
    assert len(keys) <= 1, "record keys meet by chance alone: 400 x 400 of 4 billion"


def test_a_key_that_was_destroyed_is_not_made_again(home):
    keys = PeriodKeys(home)
    before = pseudonym(keys, "2026-10", "cookie\x1fx")
    keys.destroy("2026-10")
    with pytest.raises(Refusal):
        pseudonym(PeriodKeys(home), "2026-10", "cookie\x1fx")
    assert before not in cracked({before})


def test_no_file_but_the_keys_holds_a_key(home):
    """Neither a period's key nor the master key lies anywhere else, in any spelling."""
    keys = PeriodKeys(home)
    pseudonym(keys, "2026-10", "cookie\x1fx")
    secrets = [path.read_bytes().strip() for path in home.keys.rglob("*") if path.is_file()]
    secrets += [keys._key("2026-10")]
    spellings = [s for secret in secrets for s in (secret, secret.hex().encode(), base64.b64encode(secret))]
    others = [p for p in home.root.rglob("*") if p.is_file() and home.keys not in p.parents]
    assert others
    assert not [path for path in others for spelling in spellings if spelling in path.read_bytes()]

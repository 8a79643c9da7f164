"""The pseudonym of one person, by the standard library: the reference that the engines' PSEUDONYM equals."""

from __future__ import annotations

import hashlib
import hmac

DIGITS, INNER = 15, 0x36
"""Hexadecimal digits of a pseudonym; what the inner pad of HMAC is the key with (RFC 2104)."""


def pseudonym(keys, period, message):
    inner, _ = keys.pseudonym_pads(period)
    key = bytes(byte ^ INNER for byte in inner)
    return int(hmac.new(key, message.encode(), hashlib.sha256).hexdigest()[:DIGITS], 16)

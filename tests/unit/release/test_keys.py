"""Keys: made once, private, wrapped; a destroyed one never comes back."""

from __future__ import annotations

import json
import threading

import pytest
from harness.forms import examples
from harness.pseudonyms import pseudonym
from hypothesis import given
from hypothesis import strategies as st

from anonymization.errors import InputError, IntegrityError, Refusal
from anonymization.keys import PeriodKeys, load_private_key


def test_a_period_has_one_random_key(home):
    keys = PeriodKeys(home)
    assert keys.pseudonym_pads("2026-10") == PeriodKeys(home).pseudonym_pads("2026-10")
    assert keys.pseudonym_pads("2026-10") != keys.pseudonym_pads("2026-11")
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.keys.rglob("*"))


def test_two_processes_agree(home):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(PeriodKeys(home).pseudonym_pads("2026-12"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_destroyed_key_stays_destroyed(home):
    keys = PeriodKeys(home)
    keys.pseudonym_pads("2026-10")
    keys.destroy("2026-10")
    for _ in range(2):
        with pytest.raises(Refusal, match="2026-10 was destroyed"):
            PeriodKeys(home).pseudonym_pads("2026-10")


@pytest.mark.parametrize("period", ["2026", "2026-13", "../x", ""])
def test_a_key_period_is_a_month(home, period):
    with pytest.raises(InputError, match="YYYY-MM"):
        PeriodKeys(home).pseudonym_pads(period)


def test_another_master_key_opens_nothing(home, monkeypatch):
    PeriodKeys(home).pseudonym_pads("2026-10")
    monkeypatch.setenv("NOREN_MASTER_KEY", "A" * 43 + "=")
    with pytest.raises(IntegrityError, match="does not open with this master key"):
        PeriodKeys(home).pseudonym_pads("2026-10")
    monkeypatch.setenv("NOREN_MASTER_KEY", "short")
    with pytest.raises(InputError, match="32 bytes in base64"):
        PeriodKeys(home)


def test_a_readable_key_is_refused(home):
    path = home.keys / "publisher.key"
    path.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        load_private_key(path)


def test_the_period_key_is_not_in_its_file(home):
    keys = PeriodKeys(home)
    pads = keys.pseudonym_pads("2026-10")
    content = json.loads((home.keys / "periods" / "2026-10.json").read_text())
    assert set(content) == {"period", "wrapped"}
    assert pads[0].hex() not in json.dumps(content)


@examples(50)
@given(first=st.text(max_size=40), second=st.text(max_size=40))
def test_pseudonyms_tell_persons_apart(home, first, second):
    keys = PeriodKeys(home)
    one, other = pseudonym(keys, "2026-10", first), pseudonym(keys, "2026-10", second)
    assert (one == other) == (first == second)
    assert 0 <= one < 1 << 60

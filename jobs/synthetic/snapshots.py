"""Records about people who do not exist, by Faker and numpy: terminals, attendees of events, inquiries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import numpy as np
from faker import Faker

from jobs.synthetic.agents import PHONES
from jobs.synthetic.people import People

MODELS = (*PHONES, "iPhone15,4", "iPhone14,5", "iPad13,18", "SH-53D", "SO-54C", "CPH2437", "X-unlisted", "")
EVENTS = ("tech-fair", "family-day", "seminar")
TOPICS = ("contract", "billing", "trouble", "praise")
CHANNELS = ("mail", "form", "phone")
Rows = list[tuple[str, ...]]


def device_rows(rng: np.random.Generator, people: People, day: date) -> tuple[tuple[str, ...], Rows]:
    """Return the header and a row a terminal, with serial numbers and IMEIs that nobody's terminal has."""
    model = rng.integers(0, len(MODELS), people.count)
    number = rng.integers(10**7, 10**8, people.count)
    rows: Rows = []
    for device, at, n in zip(people.devices, model.tolist(), number.tolist(), strict=True):
        apple = MODELS[at].startswith("iP")
        system = ("iOS", f"{15 + n % 4}.{n % 7}") if apple else ("Android", f"{11 + n % 5}")
        rows.append((str(day), device, f"SN{n:010d}", f"00000000{n % 10**7:07d}", MODELS[at], *system))
    return ("as_of", "device_id", "serial_number", "imei", "model", "os", "os_version"), rows


def attendee_rows(
    rng: np.random.Generator, days: Sequence[date], number: int, seed: int
) -> tuple[tuple[str, ...], Rows]:
    """Return the header and a row an attendance."""
    fake = _fake(seed)
    header = ("attended_on", "attendee_id", "name", "email", "phone", "postal_address", "event", "survey_answer")
    rows: Rows = []
    for n in range(number):
        event = int(rng.integers(len(EVENTS)))
        rows.append(
            (
                str(days[3 + 7 * event]), f"A{int(rng.integers(number * 4 // 5)):06d}", fake.name(),
                fake.ascii_safe_email(), fake.phone_number(), fake.address(), EVENTS[event],
                "また来たい" if n % 3 else "",
            )
        )  # fmt: skip
    return header, rows


def inquiry_lines(rng: np.random.Generator, day: date, number: int, seed: int) -> list[str]:
    """Return a day's inquiries as JSON lines; each text holds the writer's name and number."""
    fake = _fake(seed * 40 + day.day)
    lines = []
    for _ in range(number):
        name, phone, second = fake.name(), fake.phone_number(), int(rng.integers(9 * 3600, 18 * 3600))
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        inquiry = {
            "time": f"{day}T{clock}+09:00", "inquirer_id": f"Q{int(rng.integers(number * 25)):06d}", "name": name,
            "email": fake.ascii_safe_email(), "phone": phone, "topic": TOPICS[int(rng.integers(len(TOPICS)))],
            "channel": CHANNELS[int(rng.integers(len(CHANNELS)))], "body": f"{name}です。{phone}まで連絡ください。",
            "voice_record": None,
        }  # fmt: skip
        lines.append(json.dumps(inquiry, ensure_ascii=False))
    return lines


def _fake(seed: int) -> Faker:
    fake = Faker("ja_JP")
    fake.seed_instance(seed)
    return fake

"""Pins in a release's file: written into its YAML, everything else of it left as it stands."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

KEY = "pins:"
WIDTH = 110


def with_pins(text: str, persons: int, pins: Mapping[str, tuple[str, ...]]) -> str:
    """Return a release's file with the pins from so many persons on; those of other sizes stay.

    Where there were none, those below that size are the same: what is not yet planned has the coarsest that is known.
    """
    sizes: dict[int, dict[str, list[str]]] = dict(yaml.safe_load(text).get("pins") or {})
    sizes[persons] = {name: list(codes) for name, codes in pins.items()}
    sizes.setdefault(0, sizes[min(sizes)])
    lines, begin = text.splitlines(), None
    for number, line in enumerate(lines):
        if line.startswith(KEY):
            begin = number
    if begin is None:
        begin = end = next((n for n, line in enumerate(lines) if line.startswith("protection:")), len(lines))
    else:
        end = next((n for n in range(begin + 1, len(lines)) if lines[n][:1] not in (" ", "#", "")), len(lines))
    return "\n".join([*lines[:begin], *_block(sizes), *lines[end:]]) + "\n"


def _block(sizes: Mapping[int, Mapping[str, list[str]]]) -> list[str]:
    block = [KEY]
    for size in sorted(sizes):
        if not sizes[size]:
            block.append(f"  {size}: {{}}")
            continue
        block.append(f"  {size}:")
        for name, codes in sizes[size].items():
            flow = yaml.safe_dump(codes, default_flow_style=True, allow_unicode=True, width=WIDTH).splitlines()
            block += [f"    {name}: {flow[0]}", *(f"      {line.strip()}" for line in flow[1:])]
    return block

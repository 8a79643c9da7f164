"""Work done once a distinct value, however many rows and files hold it: the only Python over event values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Distinct(Generic[Result]):
    """What a function makes of each distinct text of a run; bounded, and safe to share among threads."""

    def __init__(self, work: Callable[[str], Result], limit: int = 200_000) -> None:
        self._work = work
        self._limit = limit
        self._known: dict[str, Result] = {}

    def __reduce__(self) -> tuple[type[Distinct[Result]], tuple[Callable[[str], Result], int]]:
        """Go to another process without what is known: it would be sent with every task."""
        return Distinct, (self._work, self._limit)

    def of(self, values: Iterable[str]) -> list[Result]:
        """Return the results, in the order of the values."""
        known = self._known
        results = []
        for value in values:
            result = known.get(value)
            if result is None:
                result = known[value] = self._work(value)
            results.append(result)
        if len(known) > self._limit:  # a new one: whoever still reads the old one may finish
            self._known = {}
        return results

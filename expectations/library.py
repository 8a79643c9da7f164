"""Great Expectations as Noren needs it: asked about frames in memory, and imported without the rest.

It looks for Spark, and loads what its charts and its statistical expectations need, which no suite of ours has: that is
two thirds of what importing it costs. Where something does need them, they are loaded then.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

ABSENT = frozenset({"pyspark"})
"""Backends that are optional, and told to be absent while Great Expectations looks for them."""
LATER = frozenset({"altair", "scipy.stats"})
"""Modules that are loaded once something of them is asked for."""


@cache
def great_expectations() -> tuple[Any, Any]:
    """Return Great Expectations, and a definition of batches that are whole frames; once a process."""
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    with _lightly():
        import great_expectations as gx  # noqa: PLC0415 - only where something is checked: it takes a second

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("noren").add_dataframe_asset("frame")
    return gx, asset.add_batch_definition_whole_dataframe("whole")


class _Finder(MetaPathFinder):
    """Finds nothing of what is absent, and modules that load later."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in ABSENT:
            raise ModuleNotFoundError(f"{fullname} is not used by what Noren checks", name=fullname)
        spec = PathFinder.find_spec(fullname, path, target) if fullname in LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def _lightly() -> Iterator[None]:
    """Import without the above, and without looking for garbage among thousands of new modules."""
    finder, collecting = _Finder(), gc.isenabled()
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if collecting:
            gc.enable()

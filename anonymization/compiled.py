"""How kernels are compiled: by numba, once, and kept on disk until any kernel changes.

Numba sees that the file of a kernel was changed, not that one was that it calls in another file, and would go on with
what it had compiled before. So the folder in which it keeps them is named by a digest of every file that holds kernels.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

PACKAGE = Path(__file__).parent
MARK = b"\n@"
"""What the files that hold kernels have in common with few others: a decorator at a line's start."""


def cache_folder(package: Path) -> Path:
    """Return where compiled kernels of a package are kept; those of other versions of its files are removed."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        if any(MARK + name + b"\n" in content for name in (b"compiled", b"uncounted")):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + hashlib.sha256(content).digest())
    kept = package / "__pycache__" / f"kernels-{digest.hexdigest()[:16]}"
    if not kept.exists():
        for other in (package / "__pycache__").glob("kernels-*"):
            shutil.rmtree(other, ignore_errors=True)
    return kept


if not config.CACHE_DIR:  # whoever set NUMBA_CACHE_DIR knows why
    config.CACHE_DIR = str(cache_folder(PACKAGE))

compiled = cast("Callable[[Kernel], Kernel]", njit(cache=True, nogil=True))
uncounted = cast("Callable[[Kernel], Kernel]", njit(cache=True, nogil=True, _nrt=False))
"""For kernels that neither make nor keep arrays: without counting references they take less than half the time."""

"""The proof of a candidate: moves from its true figures that show that enough is hidden, from the build to its gate.

They bound true figures, and so they go when the gate has said what it found: a second gate looks for tables itself.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from anonymization.disclosure.proof import Proof
from anonymization.files import write_private
from anonymization.release.candidate import Candidate

FILE = "proof.npz"
PARTS = ("cells", "start", "cell", "by", "witness", "of")


def write_proof(stage: Path, proof: Proof) -> None:
    """Write the proof of a staged package, 0600."""
    moves = proof.moves
    parts = (moves.shape[1], moves.indptr, moves.indices, moves.data, proof.witness, proof.cell)
    content = io.BytesIO()
    named: dict[str, Any] = dict(zip(PARTS, (np.asarray(part, dtype=np.int64) for part in parts), strict=True))
    np.savez_compressed(content, **named)
    write_private(stage / "evidence" / FILE, content.getvalue())


def read_proof(candidate: Candidate) -> Proof | None:
    """Return the proof of a candidate; null where there is none that can be read.

    Whatever it says is checked by arithmetic: one that was changed proves nothing, or what it says.
    """
    try:
        with (candidate.evidence / FILE).open("rb") as file, np.load(file, allow_pickle=False) as parts:
            cells, start, cell, by, witness, of = (parts[name].astype(np.int64) for name in PARTS)
        moves = sparse.csr_array((by, cell, start), shape=(len(start) - 1, int(cells)))
        moves.check_format(full_check=True)
        whole = len(witness) == moves.shape[0] and bool(np.all((witness >= 0) & (witness < len(of))))
        return Proof(moves, witness, of) if whole and bool(np.all((of >= 0) & (of < cells))) else None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def wipe_proof(candidate: Candidate) -> None:
    """Remove the proof of a candidate."""
    (candidate.evidence / FILE).unlink(missing_ok=True)

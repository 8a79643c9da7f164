"""What lies in `releases/`, against the ledger: what it does not know is never replaced, and stops every publication.

Nobody but the ledger knows what was delivered. A version that it does not know was left by a publication that was
killed before its entry, which the same candidate's next publication takes up; or the ledger is older than the releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from anonymization.errors import IntegrityError
from anonymization.home import Home
from anonymization.release.ledger.ledger import Publication, Transaction
from anonymization.release.manifest import check_manifest

VERSION = re.compile(r"v[1-9]\d*")


def version_folder(home: Home, publication: Publication) -> Path:
    """Return where a version lies."""
    return home.releases / publication.release / publication.period / f"v{publication.version}"


def version_folders(home: Home) -> Iterator[Path]:
    """Yield every folder of a version in `releases/`, in order."""
    yield from sorted(path for path in home.releases.glob("[!_]*/*/v*") if VERSION.fullmatch(path.name))


def unknown(home: Home, transaction: Transaction) -> list[Path]:
    """Return the versions in `releases/` that the ledger does not know."""
    known = {version_folder(home, publication) for publication in transaction.publications()}
    return [folder for folder in version_folders(home) if folder not in known]


def require_known(home: Home, transaction: Transaction, *, but: Path | None = None) -> None:
    """Check that the ledger knows every version in `releases/`.

    Args:
        home: the home.
        transaction: of its ledger.
        but: a version that may be unknown.

    Raises:
        IntegrityError: the versions that it does not know, and what mends it.
    """
    if found := [folder for folder in unknown(home, transaction) if folder != but]:
        names = ", ".join(folder.relative_to(home.root).as_posix() for folder in found)
        raise IntegrityError(
            f"the ledger does not know {names}, and so not what is out: put back the ledger that does, or publish its"
            " candidate again if that was interrupted; if it never left the house, move it out of releases/"
        )


def whole_copy(home: Home, publication: Publication) -> Path:
    """Return the folder of a published package; where the published one is damaged, the one of its candidate.

    Either has the digest that the ledger names, or is not returned.

    Raises:
        IntegrityError: what is wrong with the published one, where the candidate's is lost or damaged as well.
    """
    candidate = home.candidates / publication.candidate / "package"
    if (fault := damage(home, publication)) is None:
        return version_folder(home, publication) / "package"
    if _fault(candidate, publication.digest) is None:
        return candidate
    raise IntegrityError(
        f"{publication} is damaged ({fault}), and so is its candidate: put its package/ back from"
        f" any copy of digest {publication.digest[:16]}, a backup's or its recipient's"
    )


def damage(home: Home, publication: Publication) -> str | None:
    """Return what is wrong with a published package where it lies; none if it is whole."""
    return _fault(version_folder(home, publication) / "package", publication.digest)


def _fault(package: Path, digest: str) -> str | None:
    try:
        found = check_manifest(package)
    except IntegrityError as error:
        return str(error)
    return None if found == digest else "it is not the package that the ledger names"

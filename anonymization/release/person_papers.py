"""The papers of a person's request: identified data, 0600, in `choices/choices.db` and a folder of the request."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from anonymization.errors import InputError, IntegrityError
from anonymization.files import canonical, private_folder, private_stream
from anonymization.home import Home
from anonymization.release.choices import Person, database, open_choices

_META = sa.MetaData()
PAPERS = sa.Table(
    "requests", _META,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.Text, nullable=False),
)  # fmt: skip
DOCUMENTS, DISCLOSED = "documents", "disclosure"
"""Folders of a request: what was submitted, and what was disclosed."""
CHUNK = 1 << 20


@dataclass(frozen=True)
class Document:
    """A document that was submitted: the handler's reference to it, the digest of its scan, and the scan's file."""

    reference: str
    sha256: str
    file: str


@dataclass(frozen=True)
class Change:
    """What a correction or an addition says: a value of the person's rows of a source."""

    source: str
    column: str
    value: str


@dataclass(frozen=True)
class Papers:
    """What is known of a request until its papers are removed: identified data.

    Attributes:
        people: whose it is: ids of one person.
        linked: ids that logs of links name beside these, as far as the request covers them.
        documents: what was submitted, by form or annex.
        change: of a correction or an addition.
        identity: the handler's reference to the check of who makes it.
        fee: the handler's reference to what was paid.
        reason: why it was rejected.
        salt: with which the ledger's digest of the reason was made.
    """

    people: tuple[Person, ...]
    documents: Mapping[str, Document]
    linked: tuple[Person, ...] = ()
    change: Change | None = None
    identity: str = ""
    fee: str = ""
    reason: str = ""
    salt: str = ""

    @property
    def everybody(self) -> tuple[Person, ...]:
        """All ids that the request covers."""
        return tuple(dict.fromkeys((*self.people, *self.linked)))


def papers_of(home: Home, number: int) -> Papers:
    """Return what is known of a request.

    Raises:
        IntegrityError: it is gone.
    """
    with _opened(home) as connection:
        text = connection.execute(sa.select(PAPERS.c.content).where(PAPERS.c.number == number)).scalar()
    if text is None:
        raise IntegrityError(f"the papers of request {number} are gone: put choices/choices.db back from a backup")
    content = json.loads(text)
    return Papers(
        people=tuple((namespace, identity) for namespace, identity in content.pop("people")),
        linked=tuple((namespace, identity) for namespace, identity in content.pop("linked")),
        documents={name: Document(**one) for name, one in content.pop("documents").items()},
        change=Change(**change) if (change := content.pop("change")) else None,
        **content,
    )


def cover_linked(home: Home, number: int, linked: Iterable[Person]) -> Papers:
    """Keep the ids that logs of links name beside a request's, with those that were found before; return its papers."""
    papers = papers_of(home, number)
    papers = replace(papers, linked=tuple(dict.fromkeys((*papers.linked, *linked))))
    write_papers(home, number, papers)
    return papers


def folder_of(home: Home, number: int) -> Path:
    """Return the folder of a request."""
    return home.requests / str(number)


def store_documents(home: Home, number: int, given: Mapping[str, tuple[str, Path]]) -> dict[str, Document]:
    """Copy what was submitted into the folder of its request, 0600."""
    folder = folder_of(home, number)
    shutil.rmtree(folder, ignore_errors=True)  # of a request that was never recorded
    private_folder(folder / DOCUMENTS)
    found = {}
    for name, (reference, path) in given.items():
        target = folder / DOCUMENTS / f"{name.replace(' ', '-')}{path.suffix.lower()}"
        digest = hashlib.sha256()
        try:
            with path.open("rb") as scan, private_stream(target) as kept:
                while chunk := scan.read(CHUNK):
                    digest.update(chunk)
                    kept.write(chunk)
        except OSError as error:
            raise InputError(f"--document {name}: its file cannot be read ({type(error).__name__})") from None
        if target.stat().st_size == 0:
            raise InputError(f"--document {name}: its file is empty")
        found[name] = Document(reference, digest.hexdigest(), target.name)
    return found


def write_papers(home: Home, number: int, papers: Papers) -> None:
    """Keep what is known of a request; what was known before is replaced."""
    content = canonical(asdict(papers))
    with _opened(home) as connection:
        connection.execute(sa.delete(PAPERS).where(PAPERS.c.number == number))
        connection.execute(sa.insert(PAPERS).values(number=number, content=content))


def remove_papers(home: Home, number: int) -> None:
    """Remove everything of a request but what the ledger has."""
    shutil.rmtree(folder_of(home, number), ignore_errors=True)
    if database(home).exists():
        with _opened(home) as connection:
            connection.execute(sa.delete(PAPERS).where(PAPERS.c.number == number))


@contextmanager
def _opened(home: Home) -> Iterator[sa.Connection]:
    engine = open_choices(home, PAPERS)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()

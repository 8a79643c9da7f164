"""Load the policy folder: every file checked, every error of the folder told at once."""

from __future__ import annotations

import csv
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from anonymization.errors import DeclarationError, InputError
from anonymization.hierarchies.file import MISSING, read_rows
from anonymization.policy.crosscheck import (
    check_choices,
    check_grounds,
    check_microdata_spec,
    check_recipients,
    check_release_spec,
    check_source,
)
from anonymization.policy.declared import Declared
from anonymization.policy.digests import digest_of, file_digests, folder_digest
from anonymization.policy.microdata import Microdata
from anonymization.policy.model import Link, Links, Officer, Officers, PolicyDocument, Recipient, Recipients
from anonymization.policy.releases import Release
from anonymization.policy.sources import Source, Spelling, spellings

Model = TypeVar("Model", bound=Declared)
Hierarchy = Mapping[str, tuple[str, ...]]
Codelist = Mapping[str, tuple[str, str]]
HEADER = ["code", "label_en", "label_ja"]


@dataclass(frozen=True, repr=False)
class Policies:
    """Everything that the policy folder declares.

    Attributes:
        hierarchies: by name: value to its codes, level by level, finest first.
        spellings: how ids of each namespace are spelt.
        codelists: by name: code to its labels in English and Japanese, in file order.
        digest: SHA-256 over the path and content of every file of the folder.
        files: by path: SHA-256 of its content.
        release_errors: releases whose declaration is wrong, with what is wrong; the others stay usable.
    """

    folder: Path
    policy: PolicyDocument
    sources: Mapping[str, Source]
    spellings: Mapping[str, Spelling]
    releases: Mapping[str, Release]
    links: tuple[Link, ...]
    recipients: Mapping[str, Recipient]
    officers: Mapping[str, Officer]
    hierarchies: Mapping[str, Hierarchy]
    codelists: Mapping[str, Codelist]
    digest: str
    files: Mapping[str, str]
    release_errors: Mapping[str, str]
    microdata: Mapping[str, Microdata]

    def __repr__(self) -> str:
        return f"Policies({str(self.folder)!r}, {self.digest[:8]})"

    @property
    def namespaces(self) -> dict[str, Spelling]:
        """The namespaces of ids that sources declare, and how their ids are spelt."""
        named = {person.namespace for source in self.sources.values() for person in source.persons}
        return {namespace: self.spellings.get(namespace, Spelling()) for namespace in sorted(named)}

    @property
    def zone(self) -> str:
        """The time zone of schedules: the one that most sources declare, the first by name among equals."""
        named = Counter(source.zone for source in self.sources.values())
        return min(named, key=lambda one: (-named[one], one))

    @property
    def stocks(self) -> frozenset[str]:
        """The sources of which a month has nearly the same persons as the month before."""
        return frozenset(name for name, source in self.sources.items() if source.stock)

    def readers(self, source: str) -> list[str]:
        """Return the releases, and the rows for inside, that read a source."""
        read = {name: one.sources for name, one in self.releases.items()}
        read |= {name: one.sources for name, one in self.microdata.items()}
        return sorted(name for name, sources in read.items() if source in sources)

    def digest_of(self, release: str) -> str:
        """Return the SHA-256 over all that a release may depend on: every file but those of other releases and rows."""
        return digest_of(self.files, release)

    def rows(self, name: str) -> Microdata:
        """Return a declaration of k-anonymous rows.

        Raises:
            DeclarationError: there is none of the name.
        """
        if name not in self.microdata:
            raise DeclarationError(
                f"no microdata {name!r}; declared: {sorted(self.microdata)}{_hint(name, self.microdata)}"
            )
        return self.microdata[name]

    def release(self, name: str) -> Release:
        """Return a release's declaration.

        Raises:
            DeclarationError: no such release, or its declaration is wrong.
        """
        if name in self.release_errors:
            raise DeclarationError(self.release_errors[name])
        if name not in self.releases:
            raise DeclarationError(
                f"no release {name!r}; declared: {sorted(self.releases)}{_hint(name, self.releases)}"
            )
        return self.releases[name]


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key stands once."""


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same, parsed by libyaml where PyYAML has it: a fifth of the time."""


def _unique(loader: _Loader | _FastLoader, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=deep)
        if key in seen:
            raise DeclarationError(f"line {key_node.start_mark.line + 1}: the key {key!r} stands twice")
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


for _kind in (_Loader, _FastLoader):
    _kind.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)


def _content(text: str) -> object:
    """What a text says; what is wrong is told in PyYAML's own words, which are clearer than libyaml's."""
    try:
        return yaml.load(text, Loader=_FastLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return yaml.load(text, Loader=_Loader)  # noqa: S506


class _Reader:
    """Reads files of one folder and collects what is wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors: list[str] = []

    def model(self, path: str, model: type[Model]) -> Model | None:
        """Return a file as a model, or none with the errors collected."""
        try:
            return parse(self.folder, path, model)
        except DeclarationError as error:
            self.errors.append(str(error))
            return None

    def names(self, folder: str, suffix: str) -> list[str]:
        """Return the paths of a subfolder's files."""
        return [f"{folder}/{p.name}" for p in sorted((self.folder / folder).glob(f"*{suffix}"))]


def parse(folder: Path, path: str, model: type[Model]) -> Model:
    """Return a YAML file as a model.

    Raises:
        DeclarationError: every fault of the file, each with its key and what is allowed.
    """
    try:
        content = _content((folder / path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeclarationError(f"{path}: missing in the policy folder {folder}") from None
    except UnicodeDecodeError:
        raise DeclarationError(f"{path}: not UTF-8") from None
    except DeclarationError as error:
        raise DeclarationError(f"{path}: {error}") from None
    except (yaml.YAMLError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "a key that is no plain value"
        raise DeclarationError(f"{path}{where}: not plain YAML: {problem}") from None
    if not isinstance(content, dict):
        raise DeclarationError(f"{path}: expected keys and values; allowed keys: {sorted(model.model_fields)}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise DeclarationError("\n".join(_problems(path, error, model))) from None


def _problems(path: str, error: ValidationError, model: type[Declared]) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, problem["loc"][:-1])
            allowed = f"; allowed here: {sorted(known)}{_hint(str(problem['loc'][-1]), known)}" if known else ""
            yield f"{path}: {where}: unknown key{allowed}"
        else:
            yield f"{path}: {where}: {problem['msg'].removeprefix('Value error, ')}"


def _fields_at(model: type[Declared], location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at a location, as far as the models' own fields tell."""
    current: object = model
    for part, tag in zip(location, (*location[1:], None), strict=False):
        field = getattr(current, "model_fields", {}).get(part) if isinstance(part, str) else None
        annotation = field.annotation if field is not None else current
        models = [t for t in _types(annotation) if isinstance(t, type) and issubclass(t, Declared)]
        current = next((t for t in models if _method(t) == tag), models[0] if models else None)
        if current is None:
            return []
    fields = getattr(current, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _method(model: type[Declared]) -> str | None:
    """The value of `method` that chooses a model among several, if it is one of several."""
    field = model.model_fields.get("method")
    return next(iter(getattr(field.annotation, "__args__", ())), None) if field is not None else None


def _types(annotation: object) -> Iterator[object]:
    yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _types(inner)


def _hint(name: str, known: object) -> str:
    close = difflib.get_close_matches(name, [str(k) for k in known], n=1) if isinstance(known, list | Mapping) else []
    return f" (did you mean {close[0]!r}?)" if close else ""


def load_policies(folder: Path) -> Policies:
    """Load and check a policy folder.

    Raises:
        DeclarationError: everything that is wrong in the folder, a line a fault; a wrong release alone
            raises only when it is asked for.
    """
    if not folder.is_dir():
        raise DeclarationError(f"no policy folder at {folder}; set NOREN_POLICIES")
    reader = _Reader(folder)
    policy = reader.model("policy.yaml", PolicyDocument)
    links = reader.model("links.yaml", Links)
    recipients = reader.model("recipients.yaml", Recipients)
    officers = reader.model("officers.yaml", Officers)
    found = [(path, reader.model(path, Source)) for path in reader.names("sources", ".yaml")]
    sources = {source.source: source for _, source in found if source is not None}
    reader.errors += [
        f"{p}: the file is named after its source, {s.source!r}" for p, s in found if s and Path(p).stem != s.source
    ]
    hierarchies = {Path(p).stem: _hierarchy(reader, p) for p in reader.names("hierarchies", ".csv")}
    codelists = {Path(p).stem: _codelist(reader, p) for p in reader.names("codelists", ".csv")}
    if policy is None or links is None or recipients is None or officers is None:
        raise DeclarationError("\n".join(reader.errors))
    for source in sources.values():
        reader.errors += check_source(source, policy, codelists)
    reader.errors += _check_text(folder, policy)
    reader.errors += check_choices(policy, sources)
    reader.errors += check_recipients(policy, recipients.recipients)
    reader.errors += check_grounds(policy, recipients.recipients)
    for link in links.links:
        columns = sources[link.source].columns if link.source in sources else {}
        if link.from_.column not in columns or link.to.column not in columns:
            reader.errors.append(
                f"links.yaml: source {link.source!r} declares no columns {link.from_.column!r}, {link.to.column!r}"
            )
        reader.errors += [
            f"sources/{source.source}.yaml: stock: who joins is not known of ids of {person.namespace!r}, which"
            f" links.yaml joins by {link.source!r}; allowed is a stock of other ids"
            for source in sources.values()
            for person in source.persons
            if source.stock and person.namespace == link.from_.namespace
        ]
    try:
        spelt = spellings(sources.values())
    except ValueError as error:
        reader.errors.append(str(error))
    microdata = _microdata(reader, policy, sources, recipients, hierarchies, codelists)
    if reader.errors:
        raise DeclarationError("\n".join(reader.errors))
    releases, errors = _releases(reader, policy, sources, recipients, hierarchies, codelists)
    return Policies(
        folder=folder,
        policy=policy,
        sources=sources,
        spellings=spelt,
        releases=releases,
        links=links.links,
        recipients=recipients.recipients,
        officers=officers.officers,
        hierarchies=hierarchies,
        codelists=codelists,
        digest=folder_digest(folder),
        files=file_digests(folder),
        release_errors=errors,
        microdata=microdata,
    )


def _check_text(folder: Path, policy: PolicyDocument) -> list[str]:
    """Whether the policy's own words, and those of earlier versions, are those that were read when it became code."""
    texts: dict[str, str] = {policy.text.file: policy.text.sha256}
    for version in policy.versions:
        if version.stated is not None:
            texts[version.stated.text.file] = version.stated.text.sha256
    errors = []
    for name, declared in texts.items():
        path = folder / name
        if not path.is_file():
            errors.append(f"{path.name}: missing in the policy folder {folder}; `text` of policy.yaml names it")
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != declared:
            told = f"{path.name} has the digest {digest}: it is another text; read it and compare"
            errors.append(f"policy.yaml: text.sha256: {told}")
    return errors


def _releases(
    reader: _Reader,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    recipients: Recipients,
    hierarchies: Mapping[str, Hierarchy],
    codelists: Mapping[str, Codelist],
) -> tuple[dict[str, Release], dict[str, str]]:
    releases: dict[str, Release] = {}
    errors: dict[str, str] = {}
    for path in reader.names("releases", ".yaml"):
        name = Path(path).stem
        try:
            release = parse(reader.folder, path, Release)
        except DeclarationError as error:
            errors[name] = str(error)
            continue
        faults = check_release_spec(release, policy, sources, recipients.recipients, hierarchies, codelists)
        if release.release != name:
            faults.append(f"the file is named after its release, {release.release!r}")
        if faults:
            errors[name] = "\n".join(f"{path}: {fault}" for fault in faults)
        else:
            releases[name] = release
    return releases, errors


def _microdata(
    reader: _Reader,
    policy: PolicyDocument,
    sources: Mapping[str, Source],
    recipients: Recipients,
    hierarchies: Mapping[str, Hierarchy],
    codelists: Mapping[str, Codelist],
) -> dict[str, Microdata]:
    found = {}
    for path in reader.names("microdata", ".yaml"):
        declared = reader.model(path, Microdata)
        if declared is None:
            continue
        faults = check_microdata_spec(declared, policy, sources, recipients.recipients, hierarchies, codelists)
        if declared.microdata != Path(path).stem:
            faults.append(f"the file is named after its rows, {declared.microdata!r}")
        reader.errors += [f"{path}: {fault}" for fault in faults]
        found[declared.microdata] = declared
    return found


def _hierarchy(reader: _Reader, path: str) -> Hierarchy:
    """value;level 1;level 2 ...: every code has one parent, and a code stands on one level."""
    try:
        rows = [row for row in read_rows(reader.folder / path, Path(path).stem) if row != [MISSING]]
    except InputError as error:
        reader.errors.append(str(error).replace(f"{reader.folder}/", "", 1))
        return {}
    widths = {len(row) for row in rows}
    if len(widths) != 1 or min(widths) < 2:  # noqa: PLR2004 - a value and one level at least
        reader.errors.append(f"{path}: every row has the same number of levels, at least one beside the value")
        return {}
    values = [row[0] for row in rows]
    doubles = sorted({value for value in values if values.count(value) > 1})
    reader.errors += [f"{path}: the value {value!r} stands twice" for value in doubles]
    for level in range(widths.pop() - 1):
        parents: dict[str, str] = {}
        for row in rows:
            if parents.setdefault(row[level], row[level + 1]) != row[level + 1]:
                reader.errors.append(f"{path}: {row[level]!r} has two parents; a hierarchy is a tree")
        if set(parents) & set(parents.values()):
            reader.errors.append(
                f"{path}: codes of different levels are different: {sorted(set(parents) & set(parents.values()))}"
            )
    return {row[0]: tuple(row[1:]) for row in rows}


def _codelist(reader: _Reader, path: str) -> Codelist:
    with (reader.folder / path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != HEADER or any(len(row) != len(HEADER) for row in rows):
        reader.errors.append(f"{path}: expected the columns {HEADER} in every row")
        return {}
    codes = [row[0] for row in rows[1:]]
    doubles = sorted({code for code in codes if codes.count(code) > 1})
    reader.errors += [f"{path}: the code {code!r} stands twice" for code in doubles]
    return {code: (english, japanese) for code, english, japanese in rows[1:]}

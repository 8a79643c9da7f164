"""A policy folder with two versions of the policy: what the first said is the shipped one's, with changes."""

from __future__ import annotations

import copy
import hashlib
from datetime import date

import yaml

FIRST, SECOND = date(2018, 2, 1), date(2026, 10, 15)
SECTIONS = ("information_types", "purposes", "recipient_classes")


def yaml_of(path):
    """Read a file by libyaml where PyYAML has it: a tenth of the time."""
    return yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def write_yaml(path, content):
    """Write a file, likewise."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump(content, Dumper=dumper, allow_unicode=True, sort_keys=False), encoding="utf-8")


def two_versions(folder, change=lambda _: None, *, begins=SECOND, changed_now=lambda _: None):
    """Let a second version begin on a day; `change` edits what the first said, `changed_now` what the second says."""
    path = folder / "policy.yaml"
    content = yaml_of(path)
    words = b"The words of the version before.\n"
    stated = copy.deepcopy({name: content[name] for name in SECTIONS})
    change(stated)
    changed_now(content)
    (folder / f"policy-{FIRST}.txt").write_bytes(words)
    stated["text"] = {"file": f"policy-{FIRST}.txt", "sha256": hashlib.sha256(words).hexdigest()}
    first = {"effective": FIRST, "title": "Effective February 1 2018", "stated": stated}
    content["versions"] = [first, {"effective": begins, "title": "second"}]
    write_yaml(path, content)
    for of in ("releases", "microdata"):
        for one in (folder / of).iterdir():
            text = one.read_text(encoding="utf-8")
            one.write_text(text.replace("[2018-02-01]", f"[{FIRST}, {begins}]"), encoding="utf-8")
    return folder


def no_statistics_of(information_type):
    """Edit what a version says: statistics of a type are not provided to a third party."""

    def change(stated):
        for purpose in stated["purposes"].values():
            if purpose.get("provides_statistics") and information_type in purpose["types"]:
                purpose["types"].remove(information_type)

    return change

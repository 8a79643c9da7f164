"""The one writer of private files: whole or absent, for their owner alone; and that nothing else writes any."""

from __future__ import annotations

import ast
import os
import re
import stat
from pathlib import Path

import pytest

from anonymization.files import (
    canonical,
    indented,
    private_stream,
    sweep,
    write_private,
    write_private_once,
    write_whole,
)

ROOT = Path(__file__).parents[2]
WRITES = {"write_text", "write_bytes", "fdopen"}
MODE = re.compile("[rwxabt+]*[wxa+][rwxabt+]*")
OTHERS = {
    "anonymization/files.py": "the writer",
    "anonymization/keys.py": "random bytes over a key that is thrown away",
    "anonymization/deidentify/screening.py": "readable lines, in temporary/, for the engine",
    "anonymization/engine/spark/java.py": "a program, in temporary/",
    "anonymization/engine/spark/session.py": "a setting of Spark's, in temporary/",
    "dags/steps.py": "what a step prints, while it prints it",
    "jobs/services/postgres.py": "what initdb printed, and files of PostgreSQL's own account",
}
"""Who writes files otherwise, and what: nothing of it is a result."""


@pytest.fixture(autouse=True)
def umask():
    """Everybody may read what nobody has protected."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("content", ["a ｗｏｒｄ\n", b"\x00\xff"], ids=["text", "bytes"])
@pytest.mark.parametrize("write", [write_private, write_private_once])
def test_a_file_is_for_its_owner_alone(tmp_path, write, content):
    path = tmp_path / "file"
    write(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_stood_there_is_replaced_with_its_mode(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    assert mode(path) == 0o666
    write_private(path, "after")
    assert (path.read_text(), mode(path)) == ("after", 0o600)


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600)])
def test_what_the_user_asked_for_is_for_whom_the_umask_says(tmp_path, mask, expected):
    os.umask(mask)
    write_whole(tmp_path / "file", "content")
    assert ((tmp_path / "file").read_text(), mode(tmp_path / "file")) == ("content", expected)
    assert len(list(tmp_path.iterdir())) == 1


def test_of_two_writers_the_first_ones_stands(tmp_path):
    write_private_once(tmp_path / "file", "first")
    write_private_once(tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("before", [None, "before"])
def test_what_fails_halfway_changes_nothing(tmp_path, before):
    path = tmp_path / "file"
    if before is not None:
        write_private(path, before)
    modes = []

    def write():
        with private_stream(path) as file:
            file.write(b"half of it")
            file.flush()
            modes.extend(mode(one) for one in tmp_path.iterdir() if one != path)
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        write()
    assert modes == [0o600]
    assert [one.read_text() for one in tmp_path.iterdir()] == ([] if before is None else [before])


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path):
    path = tmp_path / "file[1].json"
    for name in (".file[1].json.0a1b2c3d", ".file1.json.0a1b2c3d", "file[1].json", "other"):
        (tmp_path / name).write_text("half of it")
    sweep(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".file1.json.0a1b2c3d", "file[1].json", "other"]


def test_json_is_written_in_one_way_for_machines_and_in_one_for_people():
    content = {"b": [1, "é"], "a": None}
    assert canonical(content) == '{"a":null,"b":[1,"é"]}'
    assert indented(content) == '{\n "a": null,\n "b": [\n  1,\n  "é"\n ]\n}\n'
    assert indented(content, as_given=True).index('"b"') < indented(content, as_given=True).index('"a"')


def writing(path):
    """Whether a module opens files to write them, or writes them whole."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        modes = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        is_method = isinstance(node.func, ast.Attribute)
        if (name in WRITES and is_method) or (name == "open" and any(MODE.fullmatch(one) for one in modes)):
            return True
    return False


def test_nothing_else_writes_files():
    found = {
        str(path.relative_to(ROOT))
        for folder in ("anonymization", "expectations", "jobs", "dags")
        for path in (ROOT / folder).rglob("*.py")
        if writing(path)
    }
    assert found == set(OTHERS)

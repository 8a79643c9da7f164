"""Stages as a scheduler starts them: what the verdict says, what stays closed, and the one door that they come by."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import jobs
from anonymization.deidentify.taken import IntakeRun, Taken
from anonymization.errors import EngineError, Refusal
from jobs.__main__ import main
from jobs.outcome import Outcome, Verdict, read_verdict, write_verdict
from jobs.stage import tell

JOBS = Path(jobs.__file__).parent
SECRET = "Tanaka-4711"  # noqa: S105 - what must not be told
DONE = Verdict(
    stage="build", outcome=Outcome.DONE, exit_code=0, result={"candidate": "1-ab", "period": "2026-10"}, seconds=1
)
VERBS = sorted(path.stem for path in (JOBS / "verbs").glob("[!_]*.py"))


def raising(error):
    def verb(*words):
        raise error

    return verb


def lost_the_folder(path):
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "verdicts").mkdir()
    return tmp_path / "verdicts" / "verdict.json"


@pytest.fixture
def noren(monkeypatch, tmp_path, path):
    """Runs a verb that writes its verdict; gives the result of the command."""
    monkeypatch.setenv("NOREN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NOREN_POLICIES", raising=False)
    return lambda *words: CliRunner().invoke(main, ["--verdict", str(path), *words])


@pytest.fixture
def ending(monkeypatch, noren):
    """Runs a verb that does what it is given."""

    def ending(do):
        monkeypatch.setitem(main.commands, "stub", click.Command("stub", callback=do))
        return noren("stub")

    return ending


DISK_FULL = "no space is left on the disk: what was there is as it was; run the step again once that is mended"


@pytest.mark.parametrize(
    ("do", "outcome", "code", "reasons", "result"),
    [
        pytest.param(lambda: tell(candidate="1-ab"), "done", 0, [], {"candidate": "1-ab"}, id="done"),
        pytest.param(lambda: sys.exit(0), "done", 0, [], {}, id="ended by itself"),
        pytest.param(lambda: sys.exit(1), "refused", 1, [], {}, id="found something"),
        pytest.param(raising(Refusal("no")), "refused", 1, ["no"], {}, id="refused"),
        pytest.param(raising(EngineError("no Java")), "failed", 2, ["no Java"], {}, id="wrong input"),
        pytest.param(raising(ValueError(SECRET)), "failed", 3, ["a fault of the program: ValueError"], {}, id="a bug"),
        pytest.param(raising(OSError(28, SECRET)), "failed", 2, [DISK_FULL], {}, id="disk full"),
        pytest.param(raising(OSError(39, SECRET)), "failed", 3, ["a fault of the program: OSError"], {}, id="a bug about files"),
        pytest.param(raising(KeyboardInterrupt()), "failed", 130, ["interrupted"], {}, id="interrupted"),
        pytest.param(raising(click.UsageError(SECRET)), "failed", 2, ["wrong usage: standard error says what is allowed"], {}, id="wrong usage"),
    ],
)  # fmt: skip
def test_how_a_verb_ends(ending, path, do, outcome, code, reasons, result):
    ended = ending(do)
    assert ended.exit_code == code, ended.output
    content = json.loads(path.read_text())
    assert content.pop("seconds") >= 0
    assert content == {"stage": "stub", "outcome": outcome, "exit_code": code, "result": result, "reasons": reasons, "policy_digest": None}  # fmt: skip
    assert SECRET not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_bug_shows_its_trace_and_is_no_refusal(ending):
    assert "raise error\nValueError: one" in ending(raising(ValueError("one"))).stderr


def test_what_was_told_before_a_refusal_stays_and_each_reason_stands_by_itself(ending, path):
    def closed():
        tell(policy_digest="ab", candidate="1-ab")
        tell(reasons=["first", "second"])
        raise Refusal("the gate is closed: first; second")

    ending(closed)
    content = json.loads(path.read_text())
    assert (content["policy_digest"], content["reasons"]) == ("ab", ["first", "second"])
    assert content["result"] == {"candidate": "1-ab"}


def test_the_verdict_of_an_earlier_run_is_gone_while_a_verb_runs(ending, path):
    write_verdict(path, DONE)
    seen = []
    ending(lambda: seen.append(path.exists()))
    assert seen == [False]


@pytest.mark.parametrize(
    "words",
    [pytest.param(["build", "--help"], id="help"), pytest.param(["--help"], id="help of all")],
)  # fmt: skip
def test_where_nothing_was_run_no_verdict_stays(noren, path, words):
    write_verdict(path, DONE)
    noren(*words)
    assert not path.exists()


def test_no_verb_is_wrong_usage(noren, path):
    write_verdict(path, DONE)
    assert noren().exit_code == 2
    with pytest.raises(Refusal):
        read_verdict(path, stage="build")


def test_a_verb_whose_verdict_cannot_be_written_is_not_done(ending, path):
    ended = ending(lambda: lost_the_folder(path))
    assert ended.exit_code == 2
    assert "could not be written (FileNotFoundError)" in ended.stderr


def test_a_verdict_that_holds_what_json_cannot_is_not_done(ending, path):
    assert ending(lambda: tell(candidate=object())).exit_code == 2
    assert not path.exists()


def test_without_a_place_for_the_verdict_nothing_runs(ending, path):
    path.parent.rmdir()
    ran = []
    assert ending(lambda: ran.append(1)).exit_code == 2
    assert not ran


def test_a_scheduler_that_ends_a_stage_finds_a_verdict(path):
    code = (
        "import sys, time, click; from jobs.__main__ import main\n"
        "main.add_command(click.Command('stub', callback=lambda: (print('up', flush=True), time.sleep(60))))\n"
        "main(['--verdict', sys.argv[1], 'stub'])"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    with pytest.raises(Refusal, match="stub: failed, exit code 143: terminated"):
        read_verdict(path, stage="stub")


def left(path, content):
    if content is not None:
        path.write_text(content)
    return path


WHOLE = DONE.model_dump_json()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no verdict at", id="missing"),
        pytest.param("", "no whole verdict", id="empty"),
        pytest.param(WHOLE[:-5], "no whole verdict", id="truncated"),
        pytest.param("[]", "no whole verdict", id="no verdict"),
        pytest.param(WHOLE.replace('"exit_code":0,', ""), "no whole verdict", id="without its exit code"),
        pytest.param(WHOLE.replace('"exit_code":0', '"exit_code":false'), "no whole verdict", id="an exit code that is none"),
        pytest.param(WHOLE.replace('"done"', '"fine"'), "no whole verdict", id="unknown outcome"),
        pytest.param(WHOLE.replace('"build"', '"gate"'), "another stage, 'gate'", id="other stage"),
        pytest.param(WHOLE.replace('"done"', '"refused"'), "refused, exit code 0", id="refused"),
        pytest.param(WHOLE.replace('"exit_code":0', '"exit_code":1'), "done, exit code 1", id="done, but exit code 1"),
        pytest.param(WHOLE.replace("2026-10", "2026-09"), "another run: it differs in period", id="other period"),
    ],
)  # fmt: skip
def test_what_is_closed(path, content, message):
    with pytest.raises(Refusal, match=message):
        read_verdict(left(path, content), stage="build", period="2026-10")


def test_what_is_open(path):
    write_verdict(path, DONE)
    assert read_verdict(path, stage="build", period="2026-10") == DONE


def test_a_verdict_is_replaced_as_a_whole_and_is_its_owners_alone(path):
    path.write_text(WHOLE)
    path.chmod(0o644)
    before = os.umask(0)
    try:
        with path.open() as reader:
            write_verdict(path, DONE.model_copy(update={"stage": "gate"}))
            assert reader.read() == WHOLE
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_verdict_that_cannot_be_read_is_closed(path):
    path.mkdir()
    with pytest.raises(Refusal, match="IsADirectoryError"):
        read_verdict(path, stage="build")


def test_an_intake_tells_what_it_took_and_what_it_did_not(noren, path, monkeypatch):
    noren("init")
    one = Taken(
        source="displays", arrived="2026-10-01", file="a", digest="d", read=10, accepted=7, crawlers=0,
        quarantined={"time": 1}, dropped={"opted out": 2}, undeclared=0, unknown={}, codes={}, first_day=None,
        last_day=None, seconds=0, peak_memory=0, removed={}, again=False,
    )  # fmt: skip
    taking = importlib.import_module("jobs.verbs.intake")
    monkeypatch.setattr(taking, "run_intake", lambda *_, **__: IntakeRun((one,), (("clicks/b", "broken"),)))
    assert noren("intake").exit_code == 2
    content = json.loads(path.read_text())
    assert content["result"] == {
        "files": 0, "taken": 1, "read": 10, "accepted": 7, "quarantined": 1, "dropped": 2,
        "failures": [{"file": "clicks/b", "reason": "broken"}],
    }  # fmt: skip
    assert len(content["policy_digest"]) == 64


def test_the_path_of_a_scheduler(setting, monkeypatch, path, noren):
    """Each step starts from the verdict of the one before."""
    monkeypatch.setenv("NOREN_HOME", str(setting.home.root))
    noren("build", "monthly-audience", "--period", "2026-10")
    built = read_verdict(path, stage="build", release="monthly-audience", period="2026-10").result
    candidate = built["candidate"]
    assert noren("publish", candidate).exit_code == 1
    assert json.loads(path.read_text())["outcome"] == "refused"
    noren("gate", candidate)
    gated = read_verdict(path, stage="gate", candidate=candidate, digest=built["digest"]).result
    assert json.loads(Path(gated["verdict"]).read_text())["open"]
    assert len(gated["verdict_digest"]) == 64
    monkeypatch.setenv("NOREN_OFFICER_KEY", str(setting.home.keys / "demo-officer.key"))
    noren("approve", candidate, "--officer", "demo-officer")
    read_verdict(path, stage="approve")
    noren("publish", candidate)
    published = read_verdict(path, stage="publish", candidate=candidate, digest=built["digest"], version=1)
    assert published.policy_digest == setting.policies.digest
    assert Path(published.result["folder"]).is_dir()


def test_a_closed_gate_tells_where_its_verdict_is(setting, monkeypatch, path, noren):
    monkeypatch.setenv("NOREN_HOME", str(setting.home.root))
    noren("build", "monthly-audience", "--period", "2026-10")
    candidate = read_verdict(path, stage="build").result["candidate"]
    gate = importlib.import_module("jobs.verbs.gate")
    monkeypatch.setattr(gate, "plan_again", raising(Refusal("planted")))
    assert noren("gate", candidate).exit_code == 1
    content = json.loads(path.read_text())
    assert (content["outcome"], content["reasons"]) == ("refused", ["planted"])
    assert not json.loads(Path(content["result"]["verdict"]).read_text())["open"]


DOORS = {
    "noren": [sys.executable, "-c", "import sys; from jobs.__main__ import main; sys.exit(main(prog_name='noren'))"],
    "python -m jobs": [sys.executable, "-m", "jobs"],
    "a script": [sys.executable, str(JOBS / "__main__.py")],
}


def through(door, *words, **named):
    """What a process ends with, and what it says."""
    ended = subprocess.run(
        [*DOORS[door], *words], env=os.environ | named, check=False, capture_output=True, text=True, timeout=60
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("door", DOORS)
def test_an_unknown_verb_is_wrong_usage_by_every_door(door, path):
    code, _, said = through(door, "--verdict", str(path), "nosuch")
    assert (code, "No such command 'nosuch'" in said) == (2, True)
    with pytest.raises(Refusal, match="exit code 2"):
        read_verdict(path, stage="")


@pytest.mark.parametrize("door", DOORS)
def test_every_door_leads_to_the_same_verbs(door, tmp_path):
    code, said, _ = through(door, "status", "--help")
    assert (code, said.splitlines()[0]) == (0, "Usage: noren status [OPTIONS]")
    code, _, said = through(door, "status", NOREN_HOME=str(tmp_path))
    assert (code, "run `noren init`" in said) == (2, True)


def test_only_the_door_is_a_door():
    """A module that is started by its own name would do nothing, and end with 0."""
    started = {path.name for path in JOBS.rglob("*.py") if "__name__ ==" in path.read_text()}
    assert started == {"__main__.py", "databases.py", "roles.py"}


def test_the_list_of_verbs_imports_none():
    looked = (
        "import sys\nfrom jobs.__main__ import main\nmain(['--help'], standalone_mode=False)\n"
        "sys.exit(' '.join(name for name in sys.modules if name.startswith('jobs.verbs.')) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", looked], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [
        line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines() if line[2:3] != " "
    ] == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_file_of_its_name(verb):
    module = importlib.import_module(f"jobs.verbs.{verb}")
    assert module.command.name == verb
    assert module.command.help == module.__doc__
    listed = CliRunner().invoke(main, ["--help"], terminal_width=200, max_content_width=200).output.splitlines()
    assert [verb, module.__doc__.splitlines()[0]] in [line.split(maxsplit=1) for line in listed]


@pytest.mark.parametrize("verb", VERBS)
def test_the_script_takes_the_flags_of_a_verb(verb, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["__main__.py", verb, "--help"])
    monkeypatch.setattr(sys, "path", [str(JOBS), *sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(JOBS / "__main__.py"), run_name="__main__")
    assert ended.value.code == 0
    assert f"Usage: noren {verb} " in capsys.readouterr().out
    assert str(JOBS) not in sys.path


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--verdict", "{}", "build", "--period", "2026-10", "no-such"], id="before the verb"),
        pytest.param(["build", "--verdict", "{}", "--period", "2026-10", "no-such"], id="before its words"),
        pytest.param(["build", "no-such", "--period", "2026-10", "--verdict={}"], id="after"),
    ],
)
def test_a_verdict_may_stand_anywhere(words, noren, path, monkeypatch):
    noren("init")
    ended = CliRunner().invoke(main, [word.format(path) for word in words])
    assert ended.exit_code == 2
    with pytest.raises(Refusal, match="no-such"):
        read_verdict(path, stage="build")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["build", "--verdict"], "No such option '--verdict'", id="without its file"),
        pytest.param(["build", "--", "--verdict", "{}"], "Missing option '--period'", id="what is no option"),
        pytest.param(["--verdict", "{}/no/such", "status"], "no verdict can be written there", id="no folder"),
    ],
)
def test_what_is_no_verdict(words, said, path, tmp_path):
    ended = CliRunner().invoke(main, [word.format(path) for word in words])
    assert (ended.exit_code, said in ended.stderr) == (2, True), ended.stderr
    assert not path.exists()


def test_wrong_usage_of_a_verb_is_told_wherever_the_verdict_stands(path):
    write_verdict(path, DONE)
    assert CliRunner().invoke(main, ["build", "--perod", "2026-10", "--verdict", str(path)]).exit_code == 2
    assert json.loads(path.read_text())["reasons"] == ["wrong usage: standard error says what is allowed"]


def test_no_module_bears_a_name_of_the_standard_library():
    """Where a script of jobs/ is started, its folder comes first on the path."""
    assert {path.stem for path in JOBS.iterdir()} & sys.stdlib_module_names == set()

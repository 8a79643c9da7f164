"""What a kill, a full disk, a restore or a hand leaves in a home: told by the next step or `noren doctor`, and mended."""

from __future__ import annotations

import errno
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from harness.houses import MEMBERS, OFFICER, PERIOD, RELEASE, deliver

import anonymization.files
from anonymization.deidentify.taken import known_files, logs_held
from anonymization.errors import InputError, IntegrityError, NorenError
from anonymization.keys import PeriodKeys
from anonymization.release.mart.database import open_mart
from anonymization.release.verify import verify
from anonymization.release.withdraw import withdraw
from jobs.__main__ import main
from jobs.repair import check_left
from jobs.verbs.build import build
from jobs.verbs.doctor import examine
from jobs.verbs.erase import erase
from jobs.verbs.intake import arrivals, run_intake


@pytest.fixture
def noren(house, monkeypatch):
    """Runs a verb in the house."""
    monkeypatch.setenv("NOREN_HOME", str(house.home.root))
    monkeypatch.setenv("NOREN_POLICIES", str(house.policies))
    monkeypatch.setenv("NOREN_OFFICER_KEY", str(house.key))
    return lambda *words: CliRunner().invoke(main, list(words))


def wrong():
    """What the doctor finds, beside the machine's own."""
    return {name: fault for name, fault in examine() if fault is not None and not name.startswith(("disk", "Spark"))}


def taken_in(house):
    policies = house.setting.policies
    return run_intake(house.home, policies, arrivals(house.home, policies), optouts=())


def test_a_well_home_is_well(house, noren, released):
    released(house)
    assert wrong() == {}


def test_what_a_killed_build_left_stops_no_next_one(house, noren, monkeypatch):
    moved = Path.rename

    def killed(self, target):
        moved(self, target)
        if "candidates" in str(target):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            build(house.setting, RELEASE, PERIOD)
    (left,) = house.home.candidates.glob("1-*")
    assert wrong() == {
        "the ledger knows every candidate": f"candidates/{left.name}: left by a build that was killed; the next build takes its place"
    }
    assert build(house.setting, RELEASE, PERIOD).id == left.name
    assert wrong() == {}


def test_what_a_killed_build_left_is_removed_unless_it_was_gated(house, noren):
    for name in ("7-0123456789abcdef", "8-0123456789abcdef"):
        (house.home.candidates / name / "evidence").mkdir(parents=True)
    (house.home.candidates / "8-0123456789abcdef" / "evidence" / "verdict.json").write_text("{}")
    result = noren("doctor", "--repair")
    assert result.exit_code == 1
    assert "candidates/8-0123456789abcdef was gated, and the ledger does not know it" in result.output
    assert [path.name for path in house.home.candidates.glob("[0-9]*")] == ["8-0123456789abcdef"]


def test_a_damaged_release_is_put_back_from_its_candidate_and_nothing_is_deleted(house, noren, released):
    folder = released(house)
    table = folder / "package" / "tables" / "usage.csv"
    whole, damaged = table.read_bytes(), b"damaged"
    table.write_bytes(damaged)
    with pytest.raises(IntegrityError):
        verify(folder, house.home)
    assert (
        "service-usage 2026-10 v1: tables/usage.csv is not what the manifest says" in wrong()["every release is whole"]
    )
    result = noren("doctor", "--repair")
    assert "mended service-usage 2026-10 v1 put back from its candidate" in result.output
    verify(folder, house.home)
    assert table.read_bytes() == whole
    (aside,) = house.home.releases.glob("_set-aside/*/tables/usage.csv")
    assert aside.read_bytes() == damaged
    assert wrong() == {}


def test_a_release_whose_copies_are_all_damaged_is_left_to_a_person(house, noren, released):
    folder = released(house)
    for path in (folder, *house.home.candidates.glob("[0-9]*")):
        (path / "package" / "NOTICE.md").write_text("x")
    result = noren("doctor", "--repair")
    assert result.exit_code == 1
    assert "put its package/ back from any copy of digest" in result.output


def cut(path, length):
    """Cut a file to a length; it may be the same file as another home's."""
    content = path.read_bytes()[:length]
    path.unlink()
    path.write_bytes(content)


def emptied_json(folder):
    cut(next(folder.glob("*.json")), 0)


def emptied_events(folder):
    cut(next(folder.glob("*.parquet")), 0)


def cut_events(folder):
    cut(next(folder.glob("*.parquet")), -9)


def json_missing(folder):
    next(folder.glob("*.json")).unlink()


@pytest.mark.parametrize("damage", [emptied_json, emptied_events, cut_events, json_missing])
def test_damaged_events_stop_the_build_with_a_word_until_they_are_taken_in_again(house, noren, damage):
    digest = build(house.setting, RELEASE, PERIOD).request.digest
    damage(house.home.events / "source=service_usage" / "arrived=2026-10-31")
    with pytest.raises(
        InputError, match=r"events/source=service_usage/arrived=2026-10-31/[0-9a-f]+\.(json|parquet).*noren intake"
    ):
        build(house.setting, RELEASE, PERIOD)
    assert list(wrong()) == ["events are as the intake left them"]
    noren("doctor", "--repair")
    taken_in(house)
    assert wrong() == {}
    assert build(house.setting, RELEASE, PERIOD).request.digest == digest


@pytest.mark.parametrize("damage", [emptied_json, emptied_events, json_missing])
def test_the_next_intake_goes_on_by_itself(house, damage):
    damage(house.home.events / "source=service_usage" / "arrived=2026-10-31")
    assert [taken.source for taken in taken_in(house).taken if not taken.again] == ["service_usage"]
    build(house.setting, RELEASE, PERIOD)


def test_a_copy_of_a_raw_log_is_gone_with_the_next_step(house, noren):
    left, lock = house.home.temporary / "0123456789abcdef.csv", house.home.temporary / "logs.lock"

    def leave():
        left.write_text("m0001,raw")
        return left

    leave()
    assert "temporary/0123456789abcdef.csv: left by a step that was killed" in wrong()["no killed step left anything"]
    assert "mended temporary/0123456789abcdef.csv removed" in noren("doctor", "--repair").output
    leave()
    erase(house.setting, datetime.now(UTC).date(), rehearsed=True)
    assert left.exists()
    erase(house.setting, date(2026, 11, 30))
    assert not left.exists()
    leave()
    with logs_held(house.home):  # a living intake's
        assert noren("intake").exit_code == 0
        check_left(house.setting)
        assert left.exists()
    assert noren("intake").exit_code == 0
    assert not left.exists()
    assert lock.exists()


def test_without_its_key_a_month_is_not_counted_anew(house, noren):
    key = house.home.keys / "periods" / "2026-10.json"
    kept = key.read_bytes()
    key.unlink()  # as a backup leaves it out
    deliver(house.home, MEMBERS[:7], name="second")
    result = noren("intake")
    assert result.exit_code == 1
    assert "the key of 2026-10 is missing, and was made before" in result.stderr
    assert not key.exists()
    assert "the keys of 2026-10 are missing" in wrong()["no key of a period is missing"]
    key.write_bytes(kept)
    key.chmod(0o600)
    assert noren("intake").exit_code == 0
    assert wrong() == {}


def test_what_was_erased_does_not_come_back_with_a_restore(house):
    keys = PeriodKeys(house.home)
    keys.destroy("2026-10")
    shutil.rmtree(house.home.keys / "periods")
    (house.home.keys / "periods").mkdir(mode=0o700)
    with pytest.raises(IntegrityError, match="was made before"):
        keys.pseudonym_pads("2026-10")


FULL = OSError(errno.ENOSPC, "No space left on device")


def full_disk(*_):
    raise FULL


def test_on_a_full_disk_an_approval_stays_and_the_message_says_so(house, noren, monkeypatch):
    candidate = house.approved()
    before = (candidate.evidence / "decision.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(anonymization.files, "_finish", full_disk)
        for words in (
            ("approve", candidate.id, "--officer", OFFICER),
            ("publish", candidate.id),
            ("gate", candidate.id),
        ):
            result = noren(*words)
            assert result.exit_code == 2, result.output
            assert "noren: no space is left on the disk" in result.stderr
            assert "Traceback" not in result.stderr
    assert (candidate.evidence / "decision.json").read_bytes() == before
    assert noren("publish", candidate.id).exit_code == 0
    assert wrong() == {}


def test_on_a_full_disk_what_was_copied_to_be_published_is_gone(house, noren, monkeypatch):
    candidate = house.approved()
    copied = []

    def copyfile(source, target):
        copied.append(target)
        if len(copied) > 3:
            raise FULL
        target.write_bytes(source.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr("anonymization.files.shutil.copyfile", copyfile)
        result = noren("publish", candidate.id)
    assert (result.exit_code, "no space is left on the disk" in result.stderr) == (2, True)
    assert list(house.home.releases.rglob("*.csv")) == []
    assert noren("publish", candidate.id).exit_code == 0


def test_on_a_full_disk_nothing_is_withdrawn_by_half(house, noren, released, monkeypatch):
    folder = released(house)
    with monkeypatch.context() as patch:
        patch.setattr(anonymization.files, "_finish", full_disk)
        assert noren("withdraw", RELEASE, "1", "--reason", "x").exit_code == 2
    assert not verify(folder, house.home).withdrawn
    assert not list((folder / "envelope").glob("*ithdrawal*"))
    assert noren("withdraw", RELEASE, "1", "--reason", "x").exit_code == 0
    assert verify(folder, house.home).withdrawn


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            PermissionError(errno.EACCES, "x", "/somewhere/noren.db"),
            2,
            "noren: this account may not do that (noren.db)",
        ),
        (OSError(errno.EROFS, "x"), 2, "noren: the file system is read-only: what was there is as it was"),
        (MemoryError(), 2, "noren: there is not enough memory"),
        (OSError(errno.ENOTEMPTY, "x"), 3, "Traceback"),
        (ValueError("x"), 3, "Traceback"),
    ],
)
def test_what_the_machine_lacks_is_told_without_a_trace(house, noren, monkeypatch, error, code, said):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("jobs.verbs.status.opened", fails)
    result = noren("status")
    assert result.exit_code == code
    assert said in result.stderr


def test_who_was_killed_before_the_mart_is_made_up_for_by_the_same_verb(house, noren, released):
    released(house)
    assert noren("mart").exit_code == 0
    withdraw(house.home, house.ledger, RELEASE, 1, "a mistake", contact="x")  # killed here
    assert "run `noren mart`" in wrong()["the mart holds what is out"]
    assert noren("withdraw", RELEASE, "1", "--reason", "again").exit_code == 1
    assert wrong() == {}


def in_mart(house):
    with open_mart(house.home, read_only=True) as database:
        return database.rows("SELECT release FROM statistics.publications")


@pytest.mark.parametrize("verb", [("mart",), ("doctor", "--repair")])
def test_a_truncated_mart_is_made_again(house, noren, released, verb):
    released(house)
    noren("mart")
    mart = house.home.root / "mart.duckdb"
    mart.write_bytes(mart.read_bytes()[:5000])
    with pytest.raises(NorenError):
        in_mart(house)
    assert noren(*verb).exit_code == 0
    assert in_mart(house) == [(RELEASE,)]


def test_an_upload_by_half_is_counted_once(house, noren):
    """The first part was taken in; the whole comes by the same name."""
    deliver(house.home, MEMBERS[:20], name="half")
    assert noren("intake").exit_code == 0
    deliver(house.home, [*MEMBERS[:20], "new"], name="half")
    result = noren("intake")
    assert result.exit_code == 2
    told = "*.parquet (file 2 of its folder, by name)"
    assert f"{told} was taken in before with other content (20 rows): both would be counted" in result.output
    assert noren("intake", "--replace").exit_code == 0
    accepted = {t.file: t.accepted for _, t in known_files(house.home, "service_usage")}
    assert accepted == {"*.parquet (file 1 of its folder, by name)": 42, told: 21}
    assert wrong() == {}
    assert noren("intake", "--replace").exit_code == 0, "known by now"

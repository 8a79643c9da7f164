"""A stage as a scheduler starts it: how it ended becomes a message, an exit code and, where asked for, a verdict."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from anonymization.errors import NorenError, Refusal
from jobs.inert import visible

WRONG_INPUT = 2
FAULT = 3
"""Exit code of an error that nobody foresaw: not 1, which says that a check refused."""
BY_SIGNAL = 128
"""A shell's exit code of a process that a signal ended is so much more than the signal's number."""
MACHINE = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk's quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this account may not do that",
    errno.EPERM: "this account may not do that",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EIO: "the disk cannot be read or written",
}
"""What a machine can lack: no fault of the program, and no trace."""
FLAG = "--verdict"
FILE, TOLD = "noren.verdict", "noren.told"


def _keep(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Remove the verdict of an earlier run at once, whatever becomes of this one."""
    del param
    if path is None:
        return
    try:
        path.unlink(missing_ok=True)
        if not path.parent.is_dir():
            raise FileNotFoundError
    except OSError as error:
        raise click.BadParameter(f"no verdict can be written there ({type(error).__name__})") from None
    ctx.meta[FILE] = path.absolute()


verdict_option = click.option(
    FLAG,
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_keep,
    help="Where to write, as JSON, how the verb ended; see docs/running.md.",
)


def verdict_first(words: Sequence[str]) -> list[str]:
    """Return a command's words with `--verdict FILE` before the verb, where a scheduler put it among the verb's own."""
    front: list[str] = []
    left, rest = iter(words), list[str]()
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == FLAG and (value := next(left, None)) is not None:
            front += [word, value]
        elif word.startswith(f"{FLAG}="):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def tell(*, policy_digest: str | None = None, reasons: list[str] | None = None, **result: object) -> None:
    """Put something into the verdict of the running verb: what the next step needs, or each reason by itself."""
    told = click.get_current_context().meta.setdefault(TOLD, {"result": {}})
    told["result"].update(result)
    told |= {} if policy_digest is None else {"policy_digest": policy_digest}
    told |= {} if reasons is None else {"reasons": reasons}


@contextmanager
def judged(ctx: click.Context) -> Iterator[None]:
    """Run a verb; an error that was raised on purpose is a message, not a trace."""
    record = _Record(ctx)
    with _told_when_terminated(record):
        try:
            yield
        except click.exceptions.Exit:  # help was asked for: nothing was done
            raise
        except click.ClickException as error:
            record.write(error.exit_code, ["wrong usage: standard error says what is allowed"])
            raise
        except NorenError as error:
            click.echo(
                f"noren: {'refused: ' if isinstance(error, Refusal) else ''}{visible(str(error), lines=True)}", err=True
            )
            sys.exit(record.write(error.exit_code, [str(error)]))
        except SystemExit as error:  # a verb that found something
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
            sys.exit(record.write(code))
        except KeyboardInterrupt:
            click.echo("noren: interrupted", err=True)
            sys.exit(record.write(BY_SIGNAL + signal.SIGINT, ["interrupted"]))
        except BrokenPipeError:  # who read the output has gone; Click ends quietly
            record.write(FAULT, ["standard output was closed"])
            raise
        except Exception as error:  # noqa: BLE001 - its message may hold anything: the trace alone has it
            sys.exit(_unforeseen(record, error))
        if code := record.write(0):
            sys.exit(code)


def _unforeseen(record: _Record, error: Exception) -> int:
    """Tell of an error that nobody raised on purpose: what the machine lacks is a message, a fault of ours a trace."""
    if said := _of_the_machine(error):
        click.echo(f"noren: {said}", err=True)
        return record.write(WRONG_INPUT, [said])
    traceback.print_exception(error)
    return record.write(FAULT, [f"a fault of the program: {type(error).__name__}"])


def _of_the_machine(error: Exception) -> str | None:
    """What a machine lacks, and what to do; null where an error is none of that kind."""
    if isinstance(error, MemoryError):
        return "there is not enough memory: nothing was changed by this step; give it more, or --engine spark"
    lacks = MACHINE.get(error.errno or 0) if isinstance(error, OSError) else None
    if lacks is None:
        return None
    name = error.filename if isinstance(error, OSError) else None
    where = f" ({Path(os.fsdecode(name)).name})" if isinstance(name, str | bytes) else ""
    return f"{lacks}{where}: what was there is as it was; run the step again once that is mended"


class _Record:
    """Writes the verdict of a verb, if one was asked for."""

    def __init__(self, ctx: click.Context) -> None:
        self._ctx = ctx
        self._started = time.perf_counter()

    @property
    def asked_for(self) -> bool:
        """Whether there will be a verdict."""
        return FILE in self._ctx.meta

    def write(self, code: int, reasons: list[str] | None = None) -> int:
        """Write how it ended; return what the process must end with, which is no 0 without its verdict."""
        if not self.asked_for:
            return code
        from jobs.outcome import Outcome, Verdict, write_verdict  # noqa: PLC0415 - only where one is asked for

        told: dict[str, Any] = {"reasons": reasons or [], **self._ctx.meta.get(TOLD, {})}
        if code == 0:
            told["reasons"] = []
        verdict = Verdict(
            stage=self._ctx.invoked_subcommand or "",
            outcome={0: Outcome.DONE, Refusal.exit_code: Outcome.REFUSED}.get(code, Outcome.FAILED),
            exit_code=code,
            seconds=round(time.perf_counter() - self._started, 3),
            **told,
        )
        try:
            write_verdict(self._ctx.meta[FILE], verdict)
        except (OSError, ValueError) as error:
            click.echo(f"noren: the verdict could not be written ({type(error).__name__})", err=True)
            return code or WRONG_INPUT
        return code


@contextmanager
def _told_when_terminated(record: _Record) -> Iterator[None]:
    """Write the verdict when a scheduler ends the process, which then ends as it would have."""
    if not record.asked_for or threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminated(number: int, frame: FrameType | None) -> None:
        del frame
        record.write(BY_SIGNAL + number, ["terminated"])
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

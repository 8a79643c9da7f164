"""The only door: `noren VERB`, `python -m jobs VERB`, `spark-submit jobs/__main__.py VERB`.

A verb is a file of `jobs/verbs/` of its name; it is imported when it is asked for, and no other is.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from jobs.stage import judged, verdict_first, verdict_option

VERBS = Path(__file__).parent / "verbs"
COLLECTED = 20_000, 20, 20
"""How rarely Python looks for garbage that refers to itself (`gc.set_threshold`). What a verb imports is looked through
each time, and is none: by Python's own thresholds that takes up to a twelfth of a demo's time, and makes its memory no
smaller.
"""


class _Verbs(click.Group):
    """The verbs, each imported when it is asked for; how one ends becomes a message, an exit code and a verdict."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        gc.set_threshold(*COLLECTED)
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs: the files of `jobs/verbs/`."""
        return sorted({*super().list_commands(ctx), *(path.stem for path in VERBS.glob("[!_]*.py"))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command; none where there is no such file."""
        if cmd_name in self.commands or cmd_name not in self.list_commands(ctx):
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(f"jobs.verbs.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs by the first line of their files: none is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_line(VERBS / f"{name}.py")) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `--verdict` from before the verb, or from among its words."""
        return super().parse_args(ctx, verdict_first(args))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an error that was raised on purpose is a message, not a trace."""
        with judged(ctx):
            return super().invoke(ctx)


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return lines.readline().strip().strip('"')


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noren")
@verdict_option
@click.pass_context
def main(ctx: click.Context) -> None:
    """From user-information logs to statistics that give nobody away.

    The path: init, intake, build, gate, review, approve, publish. NOREN_HOME names the home (default
    ./noren-home), NOREN_POLICIES the policy folder. `noren demo` walks the whole path.
    """
    ctx.obj = os.umask(0o077)


if __name__ == "__main__":
    # a script's folder comes first on the path: jobs/ would give its modules' names to everything imported from here
    sys.path[:] = [path for path in sys.path if not path or Path(path).resolve() != VERBS.parent]
    main(prog_name="noren")

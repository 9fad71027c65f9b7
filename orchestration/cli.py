"""The command line: `everypupil [--home DIR] COMMAND`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from orchestration.commands import chain, read, release, serve
from orchestration.commands.common import Home
from orchestration.errors import ChainError, ExitCode, first_line

# Errors of other rooms that are one sentence for people already; known by name, so that no room is loaded for it.
_SENTENCES = {
    "ReleaseError",
    "QueryError",
    "AccessError",
    "AccessLogError",
    "ExportError",
    "ExampleNotInstalled",
    "FileRefused",
    "KeyMismatch",
    "KeyUnusable",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="EVERYPUPIL_HOME",
    help="The folder that holds landing, lake, warehouse and releases (default: EVERYPUPIL_HOME, else ./data).",
)
@click.version_option(package_name="everypupil")
@click.pass_context
def everypupil(context: click.Context, home: Path | None) -> None:
    """Every pupil's progress, the gaps between groups and who is missing school: from extracts to figures that can be
    defended.
    """
    context.obj = Home(home)


for command in (
    chain.demo,
    chain.example,
    chain.synth,
    chain.check,
    chain.run,
    chain.accept,
    release.status,
    release.releases,
    release.rollback,
    release.verify,
    read.sql,
    read.export,
    read.access_log,
    serve.dashboard,
    serve.dagster,
):
    everypupil.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script; ends the process with the exit code of the command."""
    sys.exit(execute(arguments))


def execute(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0 done, 1 failed, 2 wrong use, 3 refused. An error is one sentence."""
    try:
        ended = everypupil.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.UsageError as error:
        context = error.ctx.command_path if error.ctx else "everypupil"
        return _fail(f"{error.format_message().rstrip('.')}; {context} --help says what it takes.", ExitCode.WRONG_USE)
    except click.ClickException as error:
        return _fail(error.format_message(), ExitCode.FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _fail("Stopped; what was published before stands.", ExitCode.FAILED)
    except ChainError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # Whoever read the output has closed it; nothing is left to say, not even by the interpreter on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    except Exception as error:
        return _fail(_unforeseen(error), ExitCode.FAILED)
    return ended if isinstance(ended, int) else int(ExitCode.DONE)


def _fail(sentence: str, code: ExitCode) -> int:
    click.echo(f"Error: {sentence}", err=True)
    return int(code)


def _unforeseen(error: Exception) -> str:
    if type(error).__name__ in _SENTENCES:
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}, line {frame.lineno}"
    return f"{type(error).__name__} in {where}: {first_line(error)}; what was published before stands."


if __name__ == "__main__":
    main()

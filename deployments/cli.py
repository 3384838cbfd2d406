"""The command line, for a person or a CI job. Errors are one sentence; each exit code has one meaning.

0 GREEN or AMBER, 1 RED, 2 BLOCKED or a night that could not begin, 3 wrong usage or a locked environment,
130 and 143 interrupted.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - typer resolves annotations at run time
from typing import Annotated
from typing import Any
from typing import Final

import typer

from deployments import commands
from deployments import running
from deployments import streams
from deployments import terminal
from deployments import unstarted
from nightproof.errors import Blocked
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.plan import Choice
from nightproof.prove.plan import Selection
from nightproof.prove.run import Options
from nightproof.report import text
from nightproof.report.files import dump_report
from nightproof.server_loss import server_loss

EXIT_RED: Final = 1
EXIT_BLOCKED: Final = 2
EXIT_USAGE: Final = 3
EXIT_SIGINT: Final = 130
EXIT_SIGTERM: Final = 143
# typer vendors click and exports only the leaf exceptions; this is the base class of those that users cause.
WrongCommandLine: Final[Any] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

app = typer.Typer(help="Nightly end-to-end verification whose green means something.", no_args_is_help=True)
Profile = Annotated[str, typer.Option("--profile", "-p", help="A name in deployments/profiles, or the path of a file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine instead of text.")]
Backends = Annotated[list[str] | None, typer.Option("--backend", "-b", help="Only this backend; may be repeated.")]
Suites = Annotated[list[str] | None, typer.Option("--suite", "-s", help="Only this suite; may be repeated.")]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(f"nightproof {version('nightproof')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@app.command(epilog="Example: nightproof run --profile embedded --backend quilt3")
def run(
    profile: Profile = "embedded",
    backend: Backends = None,
    suite: Suites = None,
    *,
    keep_resources: Annotated[bool, typer.Option(help="Leave what the tests made.")] = False,
    notify: Annotated[bool, typer.Option(help="Send the Slack message.")] = True,
    as_json: Json = False,
) -> None:
    """Run one night to its report."""
    choice = Choice(tuple(backend or ()), tuple(suite or ()), keep_resources, notify)
    with terminal.shown(), unstarted.told(profile) if notify else nullcontext():
        report, path = running.run_night(profile, choice)
    typer.echo(dump_report(report) if as_json else text.render(report, str(path)), nl=False)
    raise typer.Exit(report.exit_code)


@app.command(epilog="Example: nightproof init tests --url https://staging.example.com")
def init(
    path: Annotated[Path, typer.Argument(help="The folder of a pytest suite, or its repository.")],
    url: Annotated[
        list[str] | None,
        typer.Option("--url", help="Where the system answers; NAME=URL for the variable NAME; may be repeated."),
    ] = None,
    python: Annotated[Path | None, typer.Option(help="The suite's interpreter, or its virtual environment.")] = None,
    profile: Annotated[Path | None, typer.Option(help="The profile to write; default: nightproof.toml.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Set a suite up for its first night: write its profile, suite.toml and lock, and report what was found."""
    typer.echo(commands.init(path, tuple(url or ()), python, profile, as_json=as_json))


@app.command(epilog="Example: nightproof doctor --profile embedded --json")
def doctor(profile: Profile = "embedded", *, as_json: Json = False) -> None:
    """Check the requirements of a night here and count the tests that could run; changes nothing."""
    with terminal.shown():
        found, is_well = commands.doctor(profile, as_json=as_json)
    typer.echo(found)
    raise typer.Exit(0 if is_well else EXIT_BLOCKED)


@app.command(epilog="Example: nightproof seed --profile embedded")
def seed(profile: Profile = "embedded", *, as_json: Json = False) -> None:
    """Put the seeds in place and verify them; safe to repeat."""
    with terminal.shown():
        typer.echo(commands.seed(profile, as_json=as_json))


@app.command("testbed", epilog="Example: nightproof testbed > testbed.env   (then, in a second shell: . testbed.env)")
def serve_testbed(
    profile: Profile = "embedded", *, seeded: Annotated[bool, typer.Option(help="Seed it.")] = True
) -> None:
    """Start the testbed, print the environment for a shell, and stay until Ctrl-C."""
    with running.termination():
        commands.testbed(profile, seeded=seeded, show=typer.echo)


@app.command(epilog="Example: nightproof cleanup --min-age-hours 24   (add --apply to delete)")
def cleanup(
    profile: Profile = "embedded",
    run_id: Annotated[str | None, typer.Option(help="Only this run; without it every earlier run.")] = None,
    min_age_hours: Annotated[int, typer.Option(min=0, max=8760, help="Only runs at least this old.")] = 24,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only the plan is shown.")] = False,
    as_json: Json = False,
) -> None:
    """Show, or delete, what earlier runs left behind; exit status 1 if any of it is still there afterwards."""
    with terminal.shown():
        text, is_clean = commands.cleanup(profile, run_id, min_age_hours, apply=apply, as_json=as_json)
    typer.echo(text)
    raise typer.Exit(0 if is_clean else EXIT_RED)


@app.command(epilog="Example: nightproof report 20261120T020000Z-k3f9qa --json")
def report(
    run_id: Annotated[str, typer.Argument(help="A run id, or `latest`.")] = "latest",
    profile: Profile = "embedded",
    *,
    as_json: Json = False,
) -> None:
    """Show the report of a run."""
    typer.echo(commands.report(profile, run_id, as_json=as_json), nl=False)


@app.command(epilog="Example: nightproof catalogue --update suites/quilt_ops")
def catalogue(
    paths: Annotated[list[Path] | None, typer.Argument(help="Suite folders; none: those of the profile.")] = None,
    profile: Profile = "embedded",
    *,
    update: Annotated[bool, typer.Option("--update", help="Write the lock.")] = False,
    from_run: Annotated[
        str, typer.Option("--from-run", help="Register what this run skipped in bodies too: a run id, or `latest`.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Compare the suites with their committed lock, or write it."""
    shown, is_current = commands.catalogue(
        tuple(paths or ()), profile, update=update, from_run=from_run, as_json=as_json
    )
    typer.echo(shown)
    raise typer.Exit(0 if is_current else EXIT_USAGE)


@app.command(epilog="Example: nightproof history --profile embedded --json")
def history(
    profile: Profile = "embedded",
    limit: Annotated[int, typer.Option(min=1, help="How many nights.")] = 14,
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Index all reports again.")] = False,
    as_json: Json = False,
) -> None:
    """List the last nights, newest first."""
    typer.echo(commands.history(profile, limit, rebuild=rebuild, as_json=as_json))


@app.command(epilog="Example: nightproof prune --keep-days 30")
def prune(
    profile: Profile = "embedded",
    keep_days: Annotated[int, typer.Option(min=1, help="Runs younger than this stay whole.")] = 30,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only the plan is shown.")] = False,
    as_json: Json = False,
) -> None:
    """Limit the state directory: old runs keep report.json and their open ledgers, nothing else."""
    typer.echo(commands.prune(profile, keep_days, apply=apply, as_json=as_json))


@app.command(epilog="Example: nightproof prove --suite quilt_ops --sample 10 --seed 4")
def prove(
    profile: Profile = "embedded",
    defect: Annotated[
        list[str] | None, typer.Option("--defect", "-d", help="Only this defect; may be repeated.")
    ] = None,
    suite: Suites = None,
    backend: Backends = None,
    test: Annotated[str, typer.Option(help="Only tests whose id matches this regular expression.")] = "",
    sample: Annotated[int, typer.Option(min=0, help="Draw this many defects; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="What the draw starts from: the same seed draws the same defects.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=16, help="Isolated testbeds side by side.")] = 1,
    time_factor: Annotated[float, typer.Option(min=0.01, max=1, help="What shrinks latencies and limits.")] = 0.25,
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again what an earlier call found killed.")] = False,
    as_json: Json = False,
) -> None:
    """Prove that the tests can fail: every declared defect must turn the tests named for it red."""
    chosen = Selection(tuple(defect or ()), tuple(suite or ()), tuple(backend or ()), test, sample, seed)
    with terminal.shown(), running.termination():
        shown, is_proven = commands.prove(profile, chosen, Options(jobs, time_factor, fresh), as_json=as_json)
    typer.echo(shown)
    raise typer.Exit(0 if is_proven else EXIT_RED)


@app.command(epilog="Example: nightproof up --profile embedded")
def up(
    profile: Profile = "embedded",
    port: Annotated[int, typer.Option(help="Port of the Prefect server; another free one when it is taken.")] = 4200,
) -> None:
    """Start server, worker, schedules and the watch over them; stay until Ctrl-C or `nightproof down`."""
    with terminal.lines(), unstarted.told(profile), running.termination():
        commands.up(profile, port, show=typer.echo)


@app.command(epilog="Example: nightproof down --profile embedded")
def down(profile: Profile = "embedded") -> None:
    """Cancel active runs, wait for them, then stop worker and server."""
    typer.echo(commands.down(profile))


def main() -> None:
    """Run the command line and end the process with the documented exit code."""
    streams.secure()
    code = _guarded()
    if server_loss():
        # Prefect's threads would retry the dead server for minutes; the night's results are already on disk.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _guarded() -> int:
    try:
        code = app(standalone_mode=False)
    except WrongCommandLine as error:
        error.show()
        return EXIT_USAGE
    except typer.Abort:
        return EXIT_SIGINT
    except NightproofError as error:
        sys.stderr.write(f"{error}\n")
        return _exit_of(error)
    except KeyboardInterrupt:
        return EXIT_SIGINT
    return code if isinstance(code, int) else 0


def _exit_of(error: NightproofError) -> int:
    if isinstance(error, UsageError):
        return EXIT_USAGE
    if isinstance(error, Blocked):
        return EXIT_BLOCKED
    if isinstance(error, Interrupted):
        return EXIT_SIGTERM if error.signal_name == "SIGTERM" else EXIT_SIGINT
    return EXIT_RED


if __name__ == "__main__":
    main()

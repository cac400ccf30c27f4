"""The command line: `footfall run` starts everything, the other commands one thing each.

An error that an operator can act on is one sentence on standard error and exit status 2.
"""

import dataclasses
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime

import click

from footfall import by_hand, dead_letters, ledger, rollups
from footfall.demo.command import demo_command, demo_traffic_command
from footfall.doctor import doctor_command
from footfall.importing import report, run, visitors
from footfall.keys import keys_group
from footfall.load.command import load_command
from footfall.migrate import migrate
from footfall.run import launch
from footfall.run.child import CannotRun
from footfall.run.services import base_url
from footfall.run.signals import Signals
from footfall.settings_table import as_markdown_table
from footfall.sites import sites_group
from shared.clock import now_ms
from shared.errors import FootfallError
from shared.event import PAGE_VIEW
from shared.private import UMASK
from shared.process import BAD_SETTING_STATUS, configure_logging
from shared.settings import Settings
from worker.stored.extent import Part


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Footfall: self-hosted web analytics. Settings come from the environment and `.env`."""
    os.umask(UMASK)


@cli.command("run")
def run_command() -> None:
    """Start everything on this machine."""
    launch.run_everything(Settings.from_env())


@cli.command("ingestion")
def ingestion_command() -> None:
    """Start ingestion."""
    launch.run_ingestion(Settings.from_env(service="ingestion"))


@cli.command("worker")
@click.option("--workers", type=click.IntRange(1, 256), help="How many; default: WORKERS.")
def worker_command(workers: int | None) -> None:
    """Start event workers."""
    settings = Settings.from_env()
    launch.run_workers(dataclasses.replace(settings, workers=workers or settings.workers))


@cli.command("periodic")
def periodic_command() -> None:
    """Start the periodic process."""
    launch.run_periodic(Settings.from_env())


@cli.command("reporting")
def reporting_command() -> None:
    """Start reporting."""
    launch.run_reporting(Settings.from_env(service="reporting"))


@cli.command("valkey")
def valkey_command() -> None:
    """Start the embedded Valkey alone."""
    launch.run_valkey(Settings.from_env())


@cli.command("migrate")
def migrate_command() -> None:
    """Bring the database's tables to the newest version."""
    settings = Settings.from_env()
    configure_logging(settings.log_level)
    # Alembic's other lines at this level are the same at every start.
    logging.getLogger("alembic.runtime.migration").addFilter(
        lambda record: record.getMessage().startswith("Running")
    )
    migrate(settings)


@cli.group("dead-letters")
def dead_letters_group() -> None:
    """Events the database refused: look at them, try them again, or let them go."""


@dead_letters_group.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
def list_dead_letters_command(limit: int) -> None:
    """Print the oldest ones, one JSON object a line."""
    for line in dead_letters.list_lines(Settings.from_env(), limit):
        click.echo(line)


@dead_letters_group.command("requeue")
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of them.")
def requeue_command(ids: tuple[int, ...], every: bool) -> None:
    """Put events back in the queue."""
    requeued = dead_letters.requeue(Settings.from_env(), chosen(ids, every))
    click.echo(f"{requeued} requeued")


@dead_letters_group.command("discard")
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of them.")
def discard_command(ids: tuple[int, ...], every: bool) -> None:
    """Delete events for good."""
    discarded = dead_letters.discard(Settings.from_env(), chosen(ids, every))
    click.echo(f"{discarded} discarded")


def chosen(ids: tuple[int, ...], every: bool) -> tuple[int, ...] | None:
    """The ids given, or None for all; one of the two must be said."""
    if bool(ids) == every:
        raise click.UsageError("give the ids that `footfall dead-letters list` shows, or --all")
    return None if every else ids


@cli.group("ledger", invoke_without_command=True)
@click.pass_context
def ledger_group(context: click.Context) -> None:
    """What became of every accepted event: print it, and what it means where it does not add up."""
    if context.invoked_subcommand is None:
        for line in ledger.tell(Settings.from_env()):
            click.echo(line)


@ledger_group.command("correct")
@click.option("--reason", required=True, help="Why, in at most 64 characters; it is shown.")
def correct_ledger_command(reason: str) -> None:
    """Enter what does not add up, once you know why: a restored backup, a failover of Redis."""
    click.echo(ledger.correct(Settings.from_env(), reason))


@cli.group("import")
def import_group() -> None:
    """Bring in what was recorded elsewhere."""


@import_group.command("access-log")
@click.argument("file")
@click.option("--site", required=True, help="The `site_id` of the events.")
@click.option("--url", help="Where ingestion is; default: INGESTION_HOST and INGESTION_PORT.")
@click.option(
    "--users",
    type=click.Choice(visitors.WAYS),
    default=visitors.HASHED,
    show_default=True,
    help="What to make of client addresses: user ids hashed with a key that stays in DATA_DIR, "
    "the addresses themselves, or none.",
)
@click.option("--event-type", default=PAGE_VIEW, show_default=True)
@click.option("--again", is_flag=True, help="From the first line, whatever was imported before.")
def import_access_log_command(
    file: str, site: str, url: str | None, users: str, event_type: str, again: bool
) -> None:
    """Post an access log's requests to ingestion, each once.

    FILE is in Apache's or nginx's combined or common format, plain or gzip; - is standard input.

    How far it came is kept in DATA_DIR/imports: the same command goes on there, at any later time,
    and imports what was appended since. Lines posted twice, by --again, from standard input or
    without that directory, count once within DEDUPE_DAYS.
    """
    settings = Settings.from_env()
    url = url or base_url(settings.ingestion_host, settings.ingestion_port)
    signals = Signals()
    signals.listen()
    started_at = time.monotonic()
    wanted = run.Wanted(file, site, url.rstrip("/"), users, event_type, again)
    outcome = run.import_log(wanted, settings, signals)
    click.echo(report.report(outcome, settings, time.monotonic() - started_at))
    sys.exit(0 if outcome.is_complete else 1)


def part_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which rollups are meant."""
    day = click.DateTime(["%Y-%m-%d"])
    for option in (
        click.option(
            "--to", "last", type=day, help="The last UTC day; default: the last there is."
        ),
        click.option("--from", "first", type=day, help="The first UTC day; default: the first."),
        click.option("--site", help="One `site_id`; default: all sites."),
    ):
        command = option(command)
    return command


@cli.command("rebuild-rollups")
@part_options
@click.option(
    "--in-full",
    is_flag=True,
    help="Count the values of days with few events, too: before going back to an earlier version.",
)
def rebuild_rollups_command(
    site: str | None, first: datetime | None, last: datetime | None, in_full: bool
) -> None:
    """Count the stored events anew.

    A site's day at a time; everything may run meanwhile. Killed, run it again.
    """
    part = rollups.part_from(site, first, last)
    click.echo(rollups.rebuild_rollups(Settings.from_env(), part, in_full=in_full))


@cli.command("verify")
@part_options
@click.option(
    "--since",
    metavar="WHEN",
    help="The last UTC days alone, from that of WHEN on: 2025-11-15, a moment, or an age as 36h.",
)
@click.option("--resume", is_flag=True, help="Go on with the comparison that was stopped.")
@click.option(
    "--sql",
    "by_sql",
    is_flag=True,
    help="Compare nothing: print SQL that tells /stats of a site and days from the events alone.",
)
def verify_command(
    site: str | None,
    first: datetime | None,
    last: datetime | None,
    since: str | None,
    resume: bool,
    by_sql: bool,
) -> None:
    """Compare what was counted with the stored events.

    Prints each difference; exit status 1 where there is any. Everything may run meanwhile.
    """
    if since is not None and (first or last or by_sql):
        raise click.UsageError("--since goes with --site alone")
    if resume and (site or first or last or since or by_sql):
        raise click.UsageError("--resume stands alone: it goes on with what was asked for")
    if by_sql:
        click.echo(by_hand.explain(Settings.from_env(), site, first, last))
        return
    part: Part | None = None
    if since is None and not resume:
        part = rollups.part_from(site, first, last)
    elif since is not None:
        part = rollups.part_since(site, since, now_ms())
    is_same, summary = rollups.verify_rollups(Settings.from_env(), part)
    click.echo(summary)
    sys.exit(0 if is_same else 1)


cli.add_command(sites_group)
cli.add_command(keys_group)
cli.add_command(doctor_command)
cli.add_command(load_command)
cli.add_command(demo_command)
cli.add_command(demo_traffic_command)


@cli.command("settings")
def settings_command() -> None:
    """Print every setting, as a Markdown table."""
    click.echo(as_markdown_table())


def main() -> None:
    """The entry point of `footfall` and `python -m footfall`."""
    try:
        cli(prog_name="footfall")
    except CannotRun as error:
        click.echo(f"footfall: {error}", err=True)
        sys.exit(1)
    except FootfallError as error:
        for line in str(error).splitlines():
            click.echo(f"footfall: {line}", err=True)
        sys.exit(BAD_SETTING_STATUS)


if __name__ == "__main__":
    main()

"""`footfall load`: the options of a run, and its exit status."""

import re
import sys
from typing import Any

import click

from footfall.load.display import Display
from footfall.load.page.page import serve_page
from footfall.load.run import MOST_BATCH, Run, Wanted, site_for
from footfall.load.summary import summary
from footfall.load.target import Target, target_from
from footfall.load.traffic.traffic import Shape, users_for
from footfall.run.services import base_url
from footfall.run.signals import Signals
from shared.clock import now_ms
from shared.settings import Settings

MOST_RATE = 100_000
LONGEST_SECONDS = 3600
MOST_USERS = 1_000_000
MOST_PATHS = 100_000
PAGE_PORT = 8002


class Share(click.ParamType[float]):
    """A share of all events, as `1%` or `0.01`."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)", str(value).strip())
        share = float(found[1]) / (100 if found[2] else 1) if found else 2.0
        if share > 1:
            self.fail("must be like 1% or 0.01, and at most 100%", param, ctx)
        return share


@click.command("load", context_settings={"show_default": True})
@click.option("--rate", type=click.IntRange(1, MOST_RATE), default=1000, help="Events a second.")
@click.option("--duration", type=click.IntRange(1, LONGEST_SECONDS), default=60, help="Seconds.")
@click.option("--batch", type=click.IntRange(1, MOST_BATCH), default=1, help="Events a request.")
@click.option("--users", type=click.IntRange(1, MOST_USERS), help="Visitors there are in all.")
@click.option("--paths", type=click.IntRange(1, MOST_PATHS), default=500, help="Pages in all.")
@click.option("--bots", type=Share(), default="0%", help="Share of events that robots make.")
@click.option("--site", help="The `site_id`; default: a new one, named after the time.")
@click.option("--url", help="Where ingestion is; default: INGESTION_HOST and INGESTION_PORT.")
@click.option("--reporting-url", help="Where reporting is; default: REPORTING_HOST and _PORT.")
@click.option("--yes-remote", is_flag=True, help="Allow a --url on another machine.")
@click.option("--page", is_flag=True, help="Serve a page with buttons instead, to this machine.")
@click.option("--page-port", type=click.IntRange(1, 65535), default=PAGE_PORT)
def load_command(
    url: str | None,
    reporting_url: str | None,
    yes_remote: bool,
    page: bool,
    page_port: int,
    **options: Any,
) -> None:
    """Post made-up traffic at a steady rate, and check that all of it is stored.

    Each request has its moment before the first one is sent, and its latency counts from there: a
    server that stalls is charged for all that had to wait. Robots (--bots) are crawlers, and users
    who view many pages at once; what the bot rule drops of them is part of the comparison.

    Exit status 1 where what was accepted and what became of it differ.
    """
    settings = Settings.from_env()
    target, reporting = targets(settings, url, reporting_url, may_be_remote=yes_remote)
    if page:
        serve_page(settings, target, reporting, page_port)
    else:
        load(settings, target, reporting, **options)


def targets(
    settings: Settings, url: str | None, reporting_url: str | None, *, may_be_remote: bool
) -> tuple[Target, Target]:
    """Ingestion and reporting. Raises CannotLoad."""
    url = url or base_url(settings.ingestion_host, settings.ingestion_port)
    reporting_url = reporting_url or base_url(settings.reporting_host, settings.reporting_port)
    target = target_from("--url", url, may_be_remote=may_be_remote)
    # It is only asked, and may be anywhere.
    return target, target_from("--reporting-url", reporting_url, may_be_remote=True)


def load(
    settings: Settings,
    target: Target,
    reporting: Target,
    *,
    rate: float,
    duration: float,
    batch: int,
    users: int | None,
    paths: int,
    bots: float,
    site: str | None,
) -> None:
    shape = Shape(rate, users or users_for(rate), paths, bots)
    wanted = Wanted(target, reporting, site or site_for(now_ms()), shape, duration, batch)
    run = Run(wanted, settings)
    signals = Signals()
    signals.listen()
    with Display() as display:
        outcome = run.execute(signals, display.show)
    click.echo(summary(outcome))
    sys.exit(0 if outcome.is_proven else 1)

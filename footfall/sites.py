"""`footfall sites`: register sites, and say what is set for each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import click
import msgspec
from sqlalchemy import Engine

from footfall.preflight import check_database
from footfall.rollups import opened
from shared.clock import iso_from_ms, now_ms
from shared.db.database import translated_errors, writing_engine
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.sites.erasures import fetch_erasures
from shared.sites.publishing import tell_ingestion
from shared.sites.settings import TOLD_BY
from shared.sites.stored import (
    StoredSite,
    change_site,
    create_site,
    delete_site,
    erase_site,
    fetch_sites,
    known_site,
)
from shared.sites.told import told_site
from shared.zones import WEEK_STARTS

FROM_NOW_ON = "holds for events from now on; what was counted before stays as it is"
FOR_THE_PAST = "holds for the past as well: no count changes, but how it is told"
# What is said of a setting for which that is not all, or not so.
HOLDS = {
    **dict.fromkeys(TOLD_BY, FOR_THE_PAST),
    "visitor_period": f"{FROM_NOW_ON}. Visitors whom the site has seen today count once more",
    "raw_data_age": (
        "holds for events that are there, too: those that are older are deleted within an hour, "
        "for good; their counts stay, and what was deleted before does not come back"
    ),
}
LEFT = "{} is not registered any more"
ASKED = "All events and numbers of {} are deleted, for good. Go on?"
ASKED_OF_AGE = (
    "{} has a raw_data_age of its own. Without it, its events stay for as long as MAX_AGE says, "
    "and older ones are deleted, for good. Go on?"
)
ERASING = (
    "{} is being deleted by the periodic process: `footfall sites erasures` tells when that is "
    "done. What is posted of it until then is not kept"
)

# Each option, the setting it is for, and what it says.
OPTIONS = (
    ("--alias", "aliases", "Another id under which clients post its events."),
    ("--host", "hosts", "Where its pages are: shop.example, or *.shop.example for all below."),
    ("--exclude-path", "excluded_paths", "Pages of which nothing is kept, such as /admin/*."),
    ("--exclude-address", "excluded_addresses", "Senders of whom nothing is kept: 203.0.113.0/24."),
    ("--exclude-user", "excluded_users", "A `user_id` of whom nothing is kept."),
    ("--keep-parameter", "kept_parameters", "A parameter that tells pages apart, such as p."),
)

PERIOD_TEXT = "How long a visitor without a name stays the same: day, week or month (UTC)."
AGE_TEXT = (
    "After how many days its events are deleted, while their counts stay; 0: never, empty: as "
    "MAX_AGE has it."
)
RATE_TEXT = "How many it may have; 0: any number, empty: as SITE_EVENTS_PER_SECOND has it."
# How its numbers are told.
TELLING = (
    ("--time-zone", "Where its days begin: Europe/Berlin. Empty: UTC."),
    ("--week-start", f"The day its weeks begin with: {', '.join(WEEK_STARTS)}."),
    ("--currency", "In which its amounts are: EUR. Empty: none is known."),
)
PUBLIC_TEXT = "Whether its numbers need no key where others do."
# The settings that are given once, as they are.
SINGLE = TOLD_BY | {"visitor_period"}
# Those that are a number, or nothing.
NUMBERS = ("events_per_second", "raw_data_age")
# In place of a number that was given empty: click takes None for an option that was not given.
AS_FOR_OTHERS = "default"


class NumberOrDefault(click.ParamType[Any]):
    """A number, or AS_FOR_OTHERS where it is empty."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value in {"", AS_FOR_OTHERS}:
            return AS_FOR_OTHERS
        return int(click.INT.convert(value, param, ctx))


NUMBER = NumberOrDefault()


@click.group("sites")
def sites_group() -> None:
    """Register sites: their other names, their hosts, what is left out."""


def site_options(command: Callable[..., None]) -> Callable[..., None]:
    for option, name, text in reversed(OPTIONS):
        text = f"{text} May be given again; once and empty: none."
        command = click.option(option, name, multiple=True, metavar="TEXT", help=text)(command)
    command = click.option("--events-per-second", type=NUMBER, metavar="NUMBER", help=RATE_TEXT)(
        command
    )
    command = click.option("--raw-data-age", type=NUMBER, metavar="DAYS", help=AGE_TEXT)(command)
    command = click.option("--visitor-period", metavar="PERIOD", help=PERIOD_TEXT)(command)
    command = click.option("--name", help="What people call it.")(command)
    told = click.option("--public/--not-public", default=None, help=PUBLIC_TEXT)(command)
    for option, text in reversed(TELLING):
        told = click.option(option, metavar="TEXT", help=text)(told)
    return told


@sites_group.command("create")
@click.argument("site_id")
@site_options
def create_command(site_id: str, **given: Any) -> None:
    """Register a site under the `site_id` that its events have, or will have."""
    with changing() as engine:
        site = create_site(engine, site_id, given_in(given), now_ms())
    click.echo(shown(site))


@sites_group.command("set")
@click.argument("site_id")
@site_options
def set_command(site_id: str, **given: Any) -> None:
    """Change what is given, and leave the rest as it is."""
    changes = given_in(given)
    if not changes:
        raise click.UsageError("say what to change: --help lists it")
    with changing() as engine:
        site = change_site(engine, site_id, changes, now_ms())
    click.echo(shown(site))
    held: dict[str, list[str]] = {}
    for name in changes:
        held.setdefault(HOLDS.get(name, FROM_NOW_ON), []).append(name)
    for sentence, names in held.items():
        click.echo(f"{', '.join(names)}: {sentence}", err=True)


@sites_group.command("delete")
@click.argument("site_id")
@click.option("--with-events", is_flag=True, help="Delete its events and all its numbers, too.")
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
def delete_command(site_id: str, *, with_events: bool, yes: bool) -> None:
    """Forget what is set for a site. Its events stay for as long as MAX_AGE says, and are counted,
    but --with-events."""
    question = ASKED if with_events else None if yes else question_of_age(site_id)
    if question and not yes:
        click.confirm(question.format(site_id), abort=True, err=True)
    with changing(is_left=True) as engine:
        if with_events:
            erase_site(engine, site_id, now_ms())
        else:
            delete_site(engine, site_id)
    click.echo((ERASING if with_events else LEFT).format(site_id), err=True)


@sites_group.command("erasures")
def erasures_command() -> None:
    """Print the sites that are being deleted with their events, and those that were, one JSON
    object a line."""
    with reading() as engine, translated_errors(), engine.begin() as connection:
        erasures = fetch_erasures(connection)
    for erasure in erasures.values():
        about = {
            "site_id": erasure.site_id,
            "asked_at": iso_from_ms(erasure.asked_at),
            "events": erasure.events,
            "done_at": erasure.done_at and iso_from_ms(erasure.done_at),
        }
        click.echo(msgspec.json.encode(about).decode())


@sites_group.command("show")
@click.argument("site_id")
def show_command(site_id: str) -> None:
    """Print one, as JSON."""
    with reading() as engine, translated_errors(), engine.begin() as connection:
        click.echo(shown(known_site(connection, site_id)))


@sites_group.command("list")
def list_command() -> None:
    """Print all of them, one JSON object a line."""
    with reading() as engine, translated_errors(), engine.begin() as connection:
        sites = fetch_sites(connection)
    for site in sites:
        click.echo(as_json(site).decode())


def question_of_age(site_id: str) -> str | None:
    """What to ask before a site that keeps its events for a time of its own is forgotten."""
    with reading() as engine, translated_errors(), engine.begin() as connection:
        age = known_site(connection, site_id).settings.raw_data_age
    return None if age is None else ASKED_OF_AGE


def given_in(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, by the setting's name."""
    lists = {name: value for name, value in options.items() if isinstance(value, tuple) and value}
    given: dict[str, Any] = {
        name: [] if value == ("",) else list(value) for name, value in lists.items()
    }
    numbers = {name: options[name] for name in NUMBERS if options[name] is not None}
    given |= {n: None if value == AS_FOR_OTHERS else value for n, value in numbers.items()}
    single = {name: value for name, value in options.items() if name in SINGLE}
    return given | {name: value for name, value in single.items() if value is not None}


@contextmanager
def reading() -> Iterator[Engine]:
    settings = Settings.from_env()
    check_database(settings, migrated=True)
    with opened(writing_engine(settings)) as engine:
        yield engine


@contextmanager
def changing(*, is_left: bool = False) -> Iterator[Engine]:
    """What is changed in the block, of sites or keys, is told to ingestion at its end; where a site
    `is_left`, it goes on as one that nobody has registered."""
    settings = Settings.from_env()
    check_database(settings, migrated=True)
    queue = EventQueue(settings, timeout_seconds=2)
    with closing(queue), opened(writing_engine(settings)) as engine:
        yield engine
        later = tell_ingestion(queue, engine, settings.max_sites, is_left=is_left)
        if later is not None:
            click.echo(f"footfall: {later}", err=True)


def shown(site: StoredSite) -> str:
    return msgspec.json.format(as_json(site), indent=2).decode()


def as_json(site: StoredSite) -> bytes:
    """Its id comes first."""
    return msgspec.json.encode({"site_id": "", **msgspec.structs.asdict(told_site(site))})

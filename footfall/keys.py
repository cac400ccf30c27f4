"""`footfall keys`: make keys for callers, and take them back."""

import re
from typing import Any

import click
import msgspec

from footfall.sites import changing, reading
from shared.clock import DAY_MS, HOUR_MS, iso_from_ms, now_ms
from shared.db.database import translated_errors
from shared.keys.keys import Kind
from shared.keys.stored import (
    MOST_EVENTS_PER_DAY,
    StoredKey,
    create_key,
    fetch_keys,
    revoke_key,
    rotate_key,
)
from shared.keys.told import told_key, unasked
from shared.settings import Settings

SPAN = re.compile(r"(\d{1,5})([dh])")
UNITS = {"d": DAY_MS, "h": HOUR_MS}
ONCE = "this is the only time that the key is shown: nobody can look it up later"


class Span(click.ParamType[int]):
    """So many days or hours, in ms."""

    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = SPAN.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no span, such as 90d or 12h", param, ctx)
        return int(found[1]) * UNITS[found[2]]


SPAN_TYPE = Span()


@click.group("keys")
def keys_group() -> None:
    """Keys for callers, beside that of API_AUTH: what for, for which sites, for how long."""


@keys_group.command("create")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    required=True,
    help="ingest posts events, read asks for numbers, admin may do both.",
)
@click.option(
    "--site", "sites", multiple=True, metavar="SITE_ID", help="For this site only; may be repeated."
)
@click.option("--name", default="", help="What it is for, to know it by.")
@click.option("--expires", type=SPAN_TYPE, metavar="SPAN", help="It holds for so long: 90d or 12h.")
@click.option(
    "--events-per-day",
    type=click.IntRange(1, MOST_EVENTS_PER_DAY),
    metavar="NUMBER",
    help="How many events it may bring in a UTC day.",
)
def create_command(
    kind: str,
    sites: tuple[str, ...],
    name: str,
    expires: int | None,
    events_per_day: int | None,
) -> None:
    """Make a key, and print it."""
    now = now_ms()
    with changing() as engine:
        end = None if expires is None else now + expires
        made, text = create_key(engine, Kind(kind), sites, name, end, now, events_per_day)
        tell_new(made, text)


@keys_group.command("rotate")
@click.argument("key_id")
@click.option(
    "--grace",
    type=SPAN_TYPE,
    default="24h",
    show_default=True,
    metavar="SPAN",
    help="For so long the old one holds.",
)
def rotate_command(key_id: str, grace: int) -> None:
    """Make another key like one, and let that end."""
    now = now_ms()
    with changing() as engine:
        made, text = rotate_key(engine, key_id, now + grace, now)
        tell_new(made, text)
    click.echo(f"{key_id} holds until {iso_from_ms(now + grace)} at most", err=True)


@keys_group.command("revoke")
@click.argument("key_id")
def revoke_command(key_id: str) -> None:
    """Let a key hold no more: within five seconds nobody gets in with it."""
    with changing() as engine:
        revoke_key(engine, key_id, now_ms())
    click.echo(f"{key_id} is revoked", err=True)


@keys_group.command("list")
def list_command() -> None:
    """Print all that there ever were, one JSON object a line; of none the key itself."""
    with reading() as engine, translated_errors(), engine.begin() as connection:
        keys = fetch_keys(connection)
    for key in keys:
        click.echo(msgspec.json.encode(told_key(key)).decode())


def tell_new(made: StoredKey, text: str) -> None:
    """The key alone on standard output, for whoever reads that: as soon as it is there, for nobody
    can be told later."""
    click.echo(text)
    end = "" if made.expires_at is None else f" It holds until {iso_from_ms(made.expires_at)}."
    click.echo(f"{made.key_id}: {ONCE}.{end}", err=True)
    for sentence in unasked(made.kind, Settings.from_env()):
        click.echo(sentence, err=True)

"""`footfall doctor`: the last requests that ingestion was sent, and what is set wrong.

It waits for what does not answer no longer than a moment; ingestion notes what it is sent while
this looks.
"""

import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

import click
import msgspec

from ingestion.delivery.onlookers import report_of
from reporting.answers.doctor.finding import Finding, is_wrong, worst_first
from reporting.answers.doctor.look import look
from reporting.answers.doctor.processes import (
    HEARD_MS,
    find_country_file,
    find_data_dir,
    find_open_services,
)
from reporting.answers.doctor.route import Doctor, SentRequest, doctor_of, shown
from reporting.answers.doctor.seen import Seen
from reporting.app import make_sources
from reporting.route import Sources
from shared.clock import now_ms
from shared.queue.watching import Noted
from shared.settings import Settings

# Twice a second ingestion tells what it noted.
EACH_SECONDS = 0.5
WIDTH = 100
# What the settings here say of ingestion, where none has told of itself.
OF_OWN_SETTINGS = (find_country_file, find_open_services, find_data_dir)


@click.command("doctor")
@click.option(
    "--watch",
    "seconds",
    type=click.IntRange(1, 3600),
    metavar="SECONDS",
    help="Wait so long for requests, and show them as they come; Ctrl-C ends it sooner.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what `GET /doctor` answers.")
def doctor_command(seconds: int | None, as_json: bool) -> None:
    """Say what is set wrong, and show the last requests that ingestion was sent.

    Exit status 1 where anything is wrong, 0 where there is nothing but hints. No key, user, whole
    address or query is shown.
    """
    with closing(make_sources(Settings.from_env())) as sources:
        seen = first_look(sources)
        if seconds is not None:
            seen = watch(sources, seen, seconds, is_quiet=as_json)
    told = with_own_settings(doctor_of(seen), seen)
    if as_json:
        click.echo(msgspec.json.encode(told))
    else:
        if seconds is None:
            tell_requests(seen.noted)
        for line in summary_of(told):
            click.echo(line)
    sys.exit(0 if told.is_well else 1)


def first_look(sources: Sources) -> Seen:
    """What there is once ingestion has had the time to tell of itself."""
    seen = look(sources, now_ms())
    started = time.monotonic()
    while is_waiting(seen):
        time.sleep(EACH_SECONDS)
        # By a clock of our own: somebody whose clock is ahead may have set the mark in Redis.
        asked_ms = round(1000 * (time.monotonic() - started))
        seen = look(sources, now_ms())
        seen = replace(seen, asked_ms=max(seen.asked_ms, asked_ms))
    return seen


def is_waiting(seen: Seen) -> bool:
    """Whether an ingestion may yet tell of itself. Where Redis lets nobody look, none can."""
    redis = seen.redis
    is_asked = redis.problem is None and redis.unwatched is None
    return is_asked and not seen.doors and seen.asked_ms < HEARD_MS


def watch(sources: Sources, seen: Seen, seconds: int, *, is_quiet: bool) -> Seen:
    """Look again and again; unless it is quiet, show what comes. Returns the last look."""
    until = time.monotonic() + seconds
    told: set[Noted] = set(seen.noted)
    if not is_quiet:
        tell_requests(seen.noted)
        click.echo(f"Watching for {seconds} s: open a page of the site now.", err=True)
    with suppress(KeyboardInterrupt):
        while time.monotonic() < until:
            time.sleep(EACH_SECONDS)
            seen = look(sources, now_ms())
            new = [noted for noted in seen.noted if noted not in told]
            told.update(new)
            if not is_quiet:
                tell_requests(new)
    return seen


def with_own_settings(told: Doctor, seen: Seen) -> Doctor:
    """The same, and what the settings here say of an ingestion that does not."""
    if seen.doors:
        return told
    own = replace(seen, doors=[report_of(seen.settings)])
    found = [finding for find in OF_OWN_SETTINGS for finding in find(own)]
    findings = worst_first(dict.fromkeys([*told.findings, *found]))
    return msgspec.structs.replace(told, findings=findings, is_well=not is_wrong(findings))


def tell_requests(requests: Iterable[Noted]) -> None:
    """Print a line each, the oldest first."""
    for noted in requests:
        click.echo(printable(line_of(shown(noted))))


def line_of(sent: SentRequest) -> str:
    address = f"{sent.address or '?'} ({sent.address_class or 'unknown'}"
    others = [name for name in sent.forwarded if name != sent.address_from]
    return (
        f"{sent.at} {sent.method} {sent.path} {sent.status} {sent.code or 'ok'}, "
        f"site {sent.site_id or '?'}, from {address}, by {sent.address_from or 'nothing'})"
        f"{' of ' + sent.country if sent.country else ''}"
        f"{', not by ' + ' or '.join(others) if others else ''}, to {sent.host or '?'}"
        f"{', page on ' + sent.origin_host if sent.origin_host else ''}"
    )


def summary_of(told: Doctor) -> Iterator[str]:
    for finding in told.findings:
        yield ""
        yield from paragraph(finding)
    if told.findings:
        yield ""
    yield (
        f"{told.ingestion_processes} ingestion processes, {len(told.requests)} requests seen; "
        f"{'nothing is wrong' if told.is_well else 'something is wrong'}."
    )


def paragraph(finding: Finding) -> Iterator[str]:
    of = f" {finding.setting}" if finding.setting else ""
    yield f"{finding.severity.upper()} {finding.code}{of}"
    for text in (finding.seen, f"→ {finding.advice}"):
        yield from textwrap.wrap(
            printable(text), WIDTH, initial_indent="  ", subsequent_indent="  "
        )


def printable(text: str) -> str:
    """Whatever a client has named, no terminal is told to do anything."""
    return "".join(each if each.isprintable() else "?" for each in text)

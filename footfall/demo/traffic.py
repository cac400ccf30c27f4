"""What fills the demo: its history first, then a few events a second until it is stopped.

How far the history is posted is kept in DATA_DIR: the next start posts what has passed since. What
was posted and not noted is posted again under the same ids, and counts once.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from footfall.demo.history import by_country, days_of, events_of_day, history_begins
from footfall.demo.sites import BLOG, SHOP, SITES, DemoSite
from footfall.importing.event_sender import Sender
from footfall.importing.stopping import Stopping
from footfall.load.traffic.sessions import Session, draw_session, next_event, pages
from footfall.run.services import base_url
from shared.clock import DAY_MS
from shared.settings import Settings

EVENTS_PER_REQUEST = 500
LIVE_EVENTS_PER_SECOND = 2.0
# So many are on a site at a time: each of them does something every 20 seconds or so.
LIVE_SESSIONS = 20

Say = Callable[[str], None]
encode = msgspec.json.Encoder().encode


class Progress(msgspec.Struct):
    """When the demo was first started, and until when its history is posted; in ms."""

    began_at: int
    posted_until: int


def fill(settings: Settings, stopping: Stopping, say: Say, clock: Callable[[], int]) -> None:
    """Post history, then live traffic, until told to stop."""
    url = base_url(settings.ingestion_host, settings.ingestion_port)
    key = settings.api_auth if settings.ingest_auth else ""
    with closing(Sender(url, key, stopping, say)) as sender:
        post = Post(sender, settings.country_header)
        post_history(post, settings.data_dir / "demo.json", stopping, say, clock())
        post_live(post, stopping, clock())


class Post:
    """Posts events that come from one country."""

    def __init__(self, sender: Sender, country_header: str) -> None:
        self.sender = sender
        self.country_header = country_header

    def __call__(self, country: str, events: Sequence[dict[str, Any]]) -> bool:
        """False where it was told to stop before there was an answer."""
        self.sender.headers[self.country_header] = country
        return self.sender.post([encode(event) for event in events]) is not None


def post_history(post: Post, path: Path, stopping: Stopping, say: Say, now: int) -> None:
    """Everything until `now` that is not noted as posted."""
    progress = load_progress(path, now)
    posted = 0
    # The newest first: that is where people look.
    for midnight in reversed(days_of(progress.began_at, now)):
        # Sessions may end on the next day, and no later.
        if midnight + 2 * DAY_MS <= progress.posted_until:
            continue
        for country, events in requests_of(midnight, progress, now):
            if stopping.stop_requested or not post(country, events):
                return
            posted += len(events)
    save(path, Progress(progress.began_at, now))
    say(f"{posted:,} events of the past are posted; now {LIVE_EVENTS_PER_SECOND:g} a second")


def requests_of(
    midnight: int, progress: Progress, now: int
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for site in SITES:
        moments = events_of_day(site, midnight, progress.began_at)
        for country, events in by_country(moments, progress.posted_until, now).items():
            for first in range(0, len(events), EVENTS_PER_REQUEST):
                yield country, events[first : first + EVENTS_PER_REQUEST]


def load_progress(path: Path, now: int) -> Progress:
    """How far the last run came. The first one notes its beginning before it posts anything: all
    that follows depends on it."""
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    progress = Progress(now, history_begins(now) - 1)
    save(path, progress)
    return progress


def save(path: Path, progress: Progress) -> None:
    written = path.with_suffix(".new")
    written.write_bytes(encode(progress))
    os.replace(written, path)


class Visitors:
    """Who is on a site now."""

    def __init__(self, site: DemoSite, random: Random, run_id: str) -> None:
        self.site = site
        self.random = random
        self.run_id = run_id
        self.paths = pages(site.pages)
        self.begun = 0
        self.sessions = [self.begin() for _ in range(LIVE_SESSIONS)]

    def begin(self) -> Session:
        user = int(self.random.random() ** 2 * self.site.users)
        self.begun += 1
        session_id = f"{self.run_id}-{self.begun}"
        return draw_session(self.random, f"{self.site.site_id}-{user}", session_id)

    def next_event(self) -> tuple[str, dict[str, Any]]:
        """What somebody of them does now, and their country."""
        place = int(self.random.random() * len(self.sessions))
        session = self.sessions[place]
        event = next_event(self.random, session, self.paths) | {"site_id": self.site.site_id}
        if session.has_ended:
            self.sessions[place] = self.begin()
        return session.country, event


def post_live(post: Post, stopping: Stopping, now: int) -> None:
    """A few events a second, at random moments, until told to stop."""
    run_id = f"live-{now}"
    random = Random(run_id)  # noqa: S311  # no secret
    shop, blog = Visitors(SHOP, random, run_id), Visitors(BLOG, random, run_id)
    number = 0
    while not stopping.stop_requested:
        country, event = (shop if random.random() < 2 / 3 else blog).next_event()
        number += 1
        post(country, [event | {"event_id": f"{run_id}-{number}"}])
        stopping.wait(random.expovariate(LIVE_EVENTS_PER_SECOND))

"""An installation with some data, so that answers are not all empty."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from shared.db.database import writing_engine
from shared.event import encode_event
from shared.queue.event_queue import EventQueue
from shared.settings import Settings
from shared.sites.published import PublishedSites
from shared.sites.publishing import publish_sites
from shared.sites.stored import create_site
from tests.drained import store_all
from tests.events import make_event
from tests.keys import add_row
from tests.merged import merge
from tests.openapi.callers import MADE
from tests.openapi.names import PAGES, REGISTERED, SITES, USERS
from tests.reporting.http.test_openapi_examples import NOW, documented_events
from tests.servers import ValkeyServer


@pytest.fixture(scope="module")
def installed(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a Redis and a database: events that are merged, came twice, wait to be merged,
    and wait for a worker; and keys."""
    directory: Path = tmp_path_factory.mktemp("installed")
    valkey_server.revive()
    with valkey_server.client() as client:
        client.flushall()
    url = f"sqlite:///{directory}/footfall.db"
    settings = Settings(redis_url=valkey_server.url, database_url=url, data_dir=directory)
    queue = EventQueue(settings)
    for _ in range(2):
        queue.push([encode_event(event) for event in documented_events()])
        store_all(settings)
        merge_all(settings)
    strange = [
        make_event(
            5000 + number,
            site_id=SITES[number % len(SITES)],
            timestamp=NOW - number * 3_000,
            path=PAGES[number % len(PAGES)],
            user_id=USERS[number % len(USERS)],
            session_id=f"session {number % 5}",
            referrer="https://bücher.example/?q=%00" if number % 3 else None,
            properties={"type": "ü", "n": number, "none": None},
        )
        for number in range(90)
    ]
    queue.push([encode_event(event) for event in strange])
    store_all(settings)
    queue.push([encode_event(event) for event in strange[:5]])
    register(settings, queue)
    queue.close()
    return settings


@pytest.fixture
def to_change(installed: Settings, tmp_path: Path) -> Settings:
    """The same, with a database of its own."""
    path = tmp_path / "footfall.db"
    shutil.copyfile(installed.data_dir / path.name, path)
    return replace(installed, database_url=f"sqlite:///{path}")


def register(settings: Settings, queue: EventQueue) -> None:
    """Let there be the callers' keys and registered sites, and let ingestion know of them."""
    engine = writing_engine(settings)
    with engine.begin() as connection:
        for text, (kind, sites) in MADE.items():
            add_row(connection, text, kind, sites, now=NOW)
    for site_id in REGISTERED:
        create_site(engine, site_id, {"name": f"The {site_id}"}, NOW)
    publish_sites(PublishedSites(queue), engine)
    engine.dispose()


def merge_all(settings: Settings) -> None:
    engine = writing_engine(settings)
    merge(engine)
    engine.dispose()

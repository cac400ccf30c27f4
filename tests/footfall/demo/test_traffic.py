"""What fills the demo, posted to a real door and stored by a real worker."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from footfall.demo import traffic
from footfall.demo.sites import SITES
from footfall.demo.traffic import Post, Progress
from footfall.importing.event_sender import Sender
from shared.clock import DAY_MS, HOUR_MS
from shared.db.database import reading_engine
from shared.settings import Settings
from tests.conftest import MakeIngestion
from tests.drained import store_all
from tests.footfall.importing.conftest import Patience
from tests.footfall.importing.ingestion_server import IngestionServer

NOW = int(datetime(2025, 11, 16, 15, tzinfo=UTC).timestamp() * 1000)
HEADER = "X-Demo-Country"
BOTH = {site.site_id for site in SITES}

# The stored events: site, time, country, user.
Stored = list[tuple[str, int, str, str]]


@pytest.fixture
def door(make_ingestion: MakeIngestion) -> Iterator[IngestionServer]:
    with IngestionServer(make_ingestion(clock=lambda: NOW, country_header=HEADER)) as door:
        yield door


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def post(door: IngestionServer, patience: Patience) -> Iterator[Post]:
    with closing(Sender(door.url, "", patience, lambda _: None)) as sender:
        yield Post(sender, HEADER)


@pytest.fixture
def stored(settings: Settings) -> Callable[[], Stored]:
    def stored() -> Stored:
        store_all(settings)
        engine = reading_engine(settings)
        with engine.connect() as connection:
            query = text("SELECT site_id, timestamp, country, user_id FROM events")
            rows = [tuple(row) for row in connection.execute(query)]
        engine.dispose()
        return rows

    return stored


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The progress of a demo whose history is there but for the last day and a half."""
    path = tmp_path / "demo.json"
    traffic.save(path, Progress(began_at=NOW, posted_until=NOW - 36 * HOUR_MS))
    return path


def post_history(post: Post, path: Path, patience: Patience, now: int = NOW) -> list[str]:
    said: list[str] = []
    traffic.post_history(post, path, patience, said.append, now)
    return said


def test_history_comes_from_many_countries_and_ends_now(
    post: Post, path: Path, patience: Patience, stored: Callable[[], Stored]
) -> None:
    said = post_history(post, path, patience)
    rows = stored()
    assert said[0].startswith(f"{len(rows):,} events of the past")
    assert {site for site, *_ in rows} == BOTH
    assert NOW - 36 * HOUR_MS < min(at for _, at, *_ in rows) < NOW - 35 * HOUR_MS
    assert NOW - HOUR_MS < max(at for _, at, *_ in rows) <= NOW
    assert {"US", "DE", "JP"} < {country for _, _, country, _ in rows}


def test_the_same_history_posted_twice_counts_once(
    post: Post, path: Path, patience: Patience, stored: Callable[[], Stored]
) -> None:
    before = path.read_bytes()
    post_history(post, path, patience)
    first = stored()
    path.write_bytes(before)
    post_history(post, path, patience)
    assert sorted(stored()) == sorted(first)


def test_the_next_start_posts_only_what_has_passed_since(
    post: Post, path: Path, patience: Patience, door: IngestionServer
) -> None:
    post_history(post, path, patience)
    door.requests.clear()
    post_history(post, path, patience)
    assert door.requests == []
    post_history(post, path, patience, NOW + 2 * HOUR_MS)
    assert door.requests != []


def test_stopped_it_notes_nothing_as_posted(post: Post, path: Path, patience: Patience) -> None:
    before = path.read_bytes()
    patience.stop()
    assert post_history(post, path, patience) == []
    assert path.read_bytes() == before


def test_the_first_start_notes_its_time_before_it_posts(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    progress = traffic.load_progress(path, NOW)
    assert NOW - progress.posted_until > 30 * DAY_MS
    assert traffic.load_progress(path, NOW + DAY_MS) == progress


def test_live_traffic_is_a_few_events_a_second_on_both_sites(
    post: Post, patience: Patience, stored: Callable[[], Stored]
) -> None:
    patience.meanwhile = [lambda: None] * 199
    traffic.post_live(post, patience, NOW)
    rows = stored()
    assert len(rows) == 200
    assert {site for site, *_ in rows} == BOTH
    assert len({country for _, _, country, _ in rows}) > 3
    assert len({user for *_, user in rows}) > 40
    assert 1 < len(rows) / sum(patience.waits) < 4

"""What reporting knows of sites, and what that costs questions."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, update

from reporting.app import Reporting, create_app
from reporting.http import book as book_module
from reporting.http import sites as sites_module
from reporting.http.seats import BUSY_SENTENCE, SEATS, Seats
from reporting.http.sites import SiteBook
from shared.db.database import writing_engine
from shared.db.tables import site_settings
from shared.errors import Unavailable
from shared.settings import Settings
from shared.sites.settings import NOTHING_SET
from shared.sites.stored import change_site, create_site
from tests.events import NOW
from tests.migration import migrate
from tests.servers import free_port, wait_until

QUESTION = "/stats?site_id=a"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(book_module, "OLD_SECONDS", 0.0)


@pytest.fixture
def app(reporting_settings: Settings, writing: Engine) -> Iterator[Reporting]:
    app = create_app(reporting_settings, clock=lambda: NOW)
    yield app
    app.close()


def zone_in(client: FlaskClient) -> str | None:
    told: str | None = client.get(QUESTION).get_json().get("tz")
    return told


def book_of(engines: Sequence[Engine]) -> SiteBook:
    return SiteBook(engines, engines[-1], Seats(1))


def read_by(engine: Engine) -> list[str]:
    """The statements that it sends from here on."""
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _k, text, *_: sent.append(text))
    return sent


def test_no_question_reads_what_is_set(app: Reporting, writing: Engine) -> None:
    create_site(writing, "a", {"time_zone": "Asia/Kolkata"}, NOW)
    client = app.test_client()
    assert zone_in(client) == "Asia/Kolkata"
    of_book, of_question = read_by(app.sources.ledger), read_by(app.sources.engine)
    for _ in range(5):
        client.get(QUESTION)
    assert of_book == []
    assert not any("site_settings" in statement for statement in of_question)


def test_it_is_read_again_where_it_changed_and_soon(
    app: Reporting, writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "KNOWN_SECONDS", 0.1)
    create_site(writing, "a", {"time_zone": "Asia/Kolkata"}, NOW)
    client = app.test_client()
    assert zone_in(client) == "Asia/Kolkata"
    change_site(writing, "a", {"time_zone": "Europe/Berlin"}, NOW)
    wait_until(lambda: zone_in(client) == "Europe/Berlin")


def test_what_did_not_change_is_not_read_again(writing: Engine, at_once: None) -> None:
    create_site(writing, "a", {"time_zone": "Asia/Kolkata"}, NOW)
    book = book_of([writing])
    book.look()
    sent = read_by(writing)
    assert book.settings_of("a").time_zone == "Asia/Kolkata"
    assert len([statement for statement in sent if "site_settings" in statement]) == 1
    change_site(writing, "a", {"week_start": "sunday"}, NOW)
    assert book.settings_of("a").week_start == "sunday"


def test_of_many_sites_only_what_is_told_otherwise_is_kept(writing: Engine) -> None:
    create_site(writing, "a", {"time_zone": "Asia/Kolkata", "excluded_users": ["u"]}, NOW)
    create_site(writing, "b", {"name": "B", "aliases": ["7"]}, NOW)
    book = book_of([writing])
    assert book.settings_of("b") is NOTHING_SET
    assert book.settings_of("a").excluded_users == ()
    assert list(book.sites) == ["a"]


def test_what_was_known_holds_while_the_database_is_away(
    app: Reporting, writing: Engine, at_once: None
) -> None:
    create_site(writing, "a", {"time_zone": "Asia/Kolkata"}, NOW)
    client = app.test_client()
    assert zone_in(client) == "Asia/Kolkata"
    with writing.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE site_settings RENAME TO elsewhere")
    assert zone_in(client) == "Asia/Kolkata"


def test_before_anything_is_known_no_question_is_answered_in_a_zone_that_may_be_wrong(
    app: Reporting, writing: Engine, at_once: None
) -> None:
    with writing.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE site_settings RENAME TO elsewhere")
    client = app.test_client()
    answer = client.get(QUESTION)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "not_migrated")
    assert client.get("/realtime?site_id=a").status_code == 200
    with writing.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO site_settings")
    assert client.get(QUESTION).status_code == 200


def test_the_first_database_that_answers_is_believed(writing: Engine, settings: Settings) -> None:
    create_site(writing, "a", {"time_zone": "Asia/Kolkata"}, NOW)
    away = writing_engine(
        dataclasses.replace(settings, database_url=f"mysql://u@127.0.0.1:{free_port()}/x")
    )
    behind = writing_engine(
        dataclasses.replace(settings, database_url=f"sqlite:///{settings.data_dir}/behind.db")
    )
    migrate(behind)
    for engines, zone in (([away, writing], "Asia/Kolkata"), ([behind, writing], "")):
        assert book_of(engines).settings_of("a").time_zone == zone
    with pytest.raises(Unavailable) as refused:
        book_of([away]).settings_of("a")
    assert refused.value.code == "database_unavailable"
    for engine in (away, behind):
        engine.dispose()


def test_one_asks_while_the_others_go_on(writing: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    book = book_of([writing])
    assert book.settings_of("a") is NOTHING_SET
    book.asked_at -= book_module.KNOWN_SECONDS
    is_reading, may_end = threading.Event(), threading.Event()

    def read_slowly() -> None:
        is_reading.set()
        assert may_end.wait(60)

    monkeypatch.setattr(book, "read", read_slowly)
    reader = threading.Thread(target=book.settings_of, args=("a",))
    reader.start()
    assert is_reading.wait(60)
    assert book.settings_of("a") is NOTHING_SET
    may_end.set()
    reader.join(60)
    assert not reader.is_alive()


def test_of_public_sites_some_are_listed_and_each_is_known(
    writing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites_module, "MOST_LISTED", 1)
    book = book_of([writing])
    create_site(writing, "a", {"public": True}, NOW)
    create_site(writing, "b", {}, NOW)
    create_site(writing, "c", {"public": True}, NOW)
    book.look()
    assert (set(book.public), book.listed) == ({"a", "c"}, ("a",))


def test_what_a_later_version_has_set_is_no_fault_of_ours(app: Reporting, writing: Engine) -> None:
    create_site(writing, "a", {}, NOW)
    later = """{"week_start":"friday","time_zone":"Asia/Later"}"""
    with writing.begin() as connection:
        connection.execute(update(site_settings).values(settings=later))
    client = app.test_client()
    weeks = "/stats/timeseries?site_id=a&interval=week&from=2025-11-01&to=2025-11-15"
    told = client.get(f"{weeks}&tz=UTC")
    assert told.status_code == 200
    assert told.get_json() == client.get(f"{weeks}&tz=UTC&week_start=monday").get_json()
    refused = client.get(weeks)
    assert (refused.status_code, refused.get_json()["code"]) == (400, "bad_timezone")


def test_what_no_database_tells_at_once_is_waited_for_as_an_answer_is(
    writing: Engine, reporting_settings: Settings
) -> None:
    create_site(writing, "a", {"time_zone": "Asia/Kolkata"}, NOW)
    away = f"mysql://footfall@127.0.0.1:{free_port()}/footfall"
    engine = writing_engine(dataclasses.replace(reporting_settings, database_url=away))
    seats = Seats(patience_seconds=0)
    book = SiteBook([engine], writing, seats)
    with ExitStack() as taken:
        for _ in range(SEATS):
            taken.enter_context(seats.taken())
        with pytest.raises(Unavailable, match=BUSY_SENTENCE):
            book.settings_of("a")
    assert book.settings_of("a").time_zone == "Asia/Kolkata"
    engine.dispose()

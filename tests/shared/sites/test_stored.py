"""Registered sites in the database, and how the door hears of them."""

import json
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, func, select, update

from shared.db.tables import site_names, site_settings
from shared.errors import InvalidInput
from shared.queue.event_queue import EventQueue
from shared.sites import publishing, stored
from shared.sites.published import Published, PublishedSites
from shared.sites.publishing import publish_sites
from shared.sites.settings import NOTHING_SET, SiteSettings
from shared.sites.stored import (
    change_site,
    create_site,
    delete_site,
    fetch_sites,
    fetch_stamp,
    known_site,
)
from tests.events import NOW

LATER = NOW + 5


def stamp(engine: Engine) -> str:
    with engine.begin() as connection:
        return fetch_stamp(connection)


def test_a_site_is_created_changed_and_deleted(engine: Engine) -> None:
    stamps = [stamp(engine)]
    created = create_site(engine, "b", {"name": "B", "aliases": ["7"]}, NOW)
    stamps.append(stamp(engine))
    create_site(engine, "Ä ", {}, NOW + 1)
    stamps.append(stamp(engine))
    changed = change_site(engine, "b", {"hosts": ["b.example"]}, LATER)
    stamps.append(stamp(engine))
    assert changed.settings == SiteSettings(name="B", aliases=("7",), hosts=("b.example",))
    assert (changed.created_at, changed.changed_at, changed.revision) == (NOW, LATER, 2)
    with engine.begin() as connection:
        assert known_site(connection, "b") == changed
        assert fetch_sites(connection) == [changed, known_site(connection, "Ä ")]
    assert delete_site(engine, "b") == changed
    stamps.append(stamp(engine))
    with engine.begin() as connection:
        assert [site.site_id for site in fetch_sites(connection)] == ["Ä "]
        assert connection.scalars(select(site_names.c.name)).all() == ["Ä "]
    assert created.settings == SiteSettings(name="B", aliases=("7",))
    assert len(set(stamps)) == len(stamps)


def test_a_name_is_one_site_s_alone(engine: Engine) -> None:
    create_site(engine, "a", {"aliases": ["7", "8"]}, NOW)
    create_site(engine, "b", {"aliases": ["9"]}, NOW)
    for act, site_id, given in (
        (create_site, "7", {}),
        (create_site, "c", {"aliases": ["10", "a"]}),
        (change_site, "b", {"name": "B", "aliases": ["11", "8"]}),
    ):
        with pytest.raises(InvalidInput, match="is a name of another site") as refused:
            act(engine, site_id, given, NOW)
        assert (refused.value.code, refused.value.status) == ("name_taken", 409)
    with engine.begin() as connection:
        assert known_site(connection, "b").settings == SiteSettings(aliases=("9",))
        names = connection.scalars(select(site_names.c.name).order_by(site_names.c.name)).all()
    assert names == ["7", "8", "9", "a", "b"]
    change_site(engine, "a", {"aliases": ["8", "a"]}, NOW)
    change_site(engine, "b", {"aliases": ["7"]}, NOW)  # which is free now
    assert delete_site(engine, "a").settings == SiteSettings(aliases=("8", "a"))
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(site_names)) == 2


def test_what_is_not_registered_is_no_site(engine: Engine) -> None:
    create_site(engine, "a", {}, NOW)
    with pytest.raises(InvalidInput, match="a is registered: change what is set"):
        create_site(engine, "a", {"name": "again"}, NOW)
    with pytest.raises(InvalidInput, match="A is not registered") as refused:
        change_site(engine, "A", {}, NOW)
    assert refused.value.status == 404
    with pytest.raises(InvalidInput, match="a  is not registered"):
        delete_site(engine, "a ")


def test_what_is_published_is_what_the_database_has(engine: Engine, queue: EventQueue) -> None:
    published = PublishedSites(queue)
    assert (published.fetch(), published.fetch_version()) == (None, "")
    assert publish_sites(published, engine)
    assert not publish_sites(published, engine)
    first = published.fetch()
    assert first is not None
    assert first.sites == {}
    create_site(engine, "a", {"name": "A"}, NOW)
    assert publish_sites(published, engine)
    second = published.fetch()
    assert second == Published(published.fetch_version(), {"a": SiteSettings(name="A")}, {})
    assert second.version not in {"", first.version}
    queue.redis.flushall()
    assert publish_sites(published, engine)
    delete_site(engine, "a")
    assert publish_sites(published, engine)
    assert published.fetch() == Published(published.fetch_version(), {}, {})


def test_who_has_read_too_early_reads_again(
    engine: Engine, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, fetch = PublishedSites(queue), stored.fetch_sites
    others = iter(["b", "c"])

    def fetch_while_another_comes(connection: Any) -> Any:
        found = fetch(connection)
        name = next(others, None)
        if name is not None:
            published.replace(published.fetch_state()[0], name, {name: NOTHING_SET})
        return found

    create_site(engine, "a", {}, NOW)
    monkeypatch.setattr(publishing, "fetch_sites", fetch_while_another_comes)
    assert publish_sites(published, engine)
    last = published.fetch()
    assert last is not None
    assert last.sites == {"a": NOTHING_SET}
    monkeypatch.setattr(publishing, "ATTEMPTS", 1)
    others = iter(["d"])
    change_site(engine, "a", {"name": "A"}, LATER)
    with pytest.raises(redis.RedisError, match="again and again"):
        publish_sites(published, engine)


def test_what_a_later_version_has_set_stays_where_something_else_is_changed(engine: Engine) -> None:
    create_site(engine, "a", {"name": "A", "hosts": ["a.example"]}, NOW)
    later = '{"name":"A","hosts":["a.example"],"later":{"x":[1.50]},"also":"y"}'
    with engine.begin() as connection:
        connection.execute(update(site_settings).values(settings=later))
    changed = change_site(engine, "a", {"name": "", "public": True}, LATER)
    assert changed.settings == SiteSettings(hosts=("a.example",), public=True)
    with engine.begin() as connection:
        assert known_site(connection, "a") == changed
        kept = connection.scalar(select(site_settings.c.settings))
    assert json.loads(kept or "") == {
        "later": {"x": [1.5]},
        "also": "y",
        "hosts": ["a.example"],
        "public": True,
    }


def test_what_a_version_with_other_settings_published_is_published_anew(
    engine: Engine, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_site(engine, "a", {"visitor_period": "week"}, NOW)
    published = PublishedSites(queue)
    with monkeypatch.context() as earlier:
        earlier.setattr(publishing, "FORMAT", "")
        assert publish_sites(published, engine)
        assert not publish_sites(published, engine)
    assert publish_sites(published, engine)
    assert not publish_sites(published, engine)

"""Keys in the database, and how the door hears of them."""

import re
from operator import attrgetter

import pytest
from sqlalchemy import Engine

from shared.clock import DAY_MS, HOUR_MS
from shared.errors import InvalidInput
from shared.keys.keys import Key, Kind, digest_of, key_of
from shared.keys.stored import (
    MOST_SITES,
    USED_AGAIN_MS,
    StoredKey,
    create_key,
    fetch_good_keys,
    fetch_keys,
    fetch_keys_stamp,
    note_used,
    revoke_key,
    rotate_key,
)
from shared.queue.event_queue import EventQueue
from shared.queue.used_keys import UsedKeys
from shared.sites.published import PublishedSites
from shared.sites.publishing import publish_sites
from shared.sites.stored import create_site
from tests.events import NOW

SHAPE = re.compile(r"ff_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}")


def create(
    engine: Engine, *sites: str, kind: Kind = Kind.READ, expires_at: int | None = None
) -> tuple[StoredKey, str]:
    return create_key(engine, kind, sites, "of Ann", expires_at, NOW)


def may(engine: Engine, text: str, now: int = NOW) -> Key | None:
    with engine.begin() as connection:
        key = key_of(fetch_good_keys(connection), text)
    return None if key is None or key.is_over(now) else key


def stamp(engine: Engine) -> str:
    with engine.begin() as connection:
        return fetch_keys_stamp(connection)


def test_a_key_is_made_and_nothing_but_its_digest_is_kept(engine: Engine) -> None:
    made, text = create(engine, "b", "ä ", "b", expires_at=NOW + 1)
    assert SHAPE.fullmatch(text)
    assert made.key_id in text
    with engine.begin() as connection:
        (row,) = fetch_keys(connection)
    assert row == made
    assert text.rpartition("_")[2] not in repr(row)
    assert row.digest == digest_of(text)
    assert may(engine, text) == Key(made.key_id, Kind.READ, ("b", "ä "), NOW + 1)
    assert may(engine, text, NOW + 1) is None
    assert may(engine, text + "x") is None
    assert create(engine)[1] != text


def test_one_that_is_revoked_holds_no_more_and_stays_on_record(engine: Engine) -> None:
    stamps = [stamp(engine)]
    made, text = create(engine)
    stamps.append(stamp(engine))
    revoke_key(engine, made.key_id, NOW + 5)
    stamps.append(stamp(engine))
    assert may(engine, text) is None
    again = revoke_key(engine, made.key_id, NOW + 9)
    assert again.revoked_at == NOW + 5
    assert len(set(stamps)) == 3
    for act in (revoke_key, rotate_key):
        with pytest.raises(InvalidInput, match="no key nobody"):
            act(engine, "nobody", *[NOW] * (2 if act is rotate_key else 1))
    with pytest.raises(InvalidInput, match="holds no more"):
        rotate_key(engine, made.key_id, NOW + 10, NOW + 10)


@pytest.mark.parametrize(
    ("expires_at", "ends"),
    [(None, NOW + DAY_MS), (NOW + HOUR_MS, NOW + HOUR_MS), (NOW + 9 * DAY_MS, NOW + DAY_MS)],
)
def test_one_that_is_rotated_holds_for_a_while_beside_the_new_one(
    engine: Engine, expires_at: int | None, ends: int
) -> None:
    old, old_text = create(engine, "a", kind=Kind.INGEST, expires_at=expires_at)
    new, new_text = rotate_key(engine, old.key_id, NOW + DAY_MS, NOW)
    assert may(engine, old_text, ends - 1) is not None
    assert may(engine, old_text, ends) is None
    assert (new.kind, new.sites, new.name, new.expires_at) == (
        Kind.INGEST,
        ("a",),
        "of Ann",
        expires_at,
    )
    assert may(engine, new_text) is not None


def test_one_is_rotated_once(engine: Engine) -> None:
    """Else the next one would end when this one does."""
    old, _ = create(engine)
    new, _ = rotate_key(engine, old.key_id, NOW + DAY_MS, NOW)
    with pytest.raises(InvalidInput, match=new.key_id):
        rotate_key(engine, old.key_id, NOW + DAY_MS, NOW)
    assert rotate_key(engine, new.key_id, NOW + DAY_MS, NOW)[0].expires_at is None


def test_another_name_of_a_site_is_refused(engine: Engine) -> None:
    create_site(engine, "shop", {"aliases": ["7"]}, NOW)
    with pytest.raises(InvalidInput, match="7 is another name of shop"):
        create(engine, "blog", "7")
    assert create(engine, "shop", "blog")[0].sites == ("shop", "blog")


@pytest.mark.parametrize(
    ("sites", "name", "expires_at", "field"),
    [
        ([""], "", None, "site_id"),
        (["a\n"], "", None, "site_id"),
        (["x" * 256], "", None, "site_id"),
        ([str(number) for number in range(MOST_SITES + 1)], "", None, "site_id"),
        ([], "x" * 256, None, "name"),
        ([], "", NOW, "expires"),
    ],
)
def test_what_makes_no_sense_is_refused(
    engine: Engine, sites: list[str], name: str, expires_at: int | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_key(engine, Kind.READ, sites, name, expires_at, NOW)
    assert refused.value.field == field
    with engine.begin() as connection:
        assert fetch_keys(connection) == []


def test_the_door_hears_of_them_and_of_each_change(engine: Engine, queue: EventQueue) -> None:
    published = PublishedSites(queue)
    made, text = create(engine, "a", kind=Kind.INGEST)
    assert publish_sites(published, engine)
    assert not publish_sites(published, engine)
    told = published.fetch()
    assert told is not None
    assert told.keys == {digest_of(text): Key(made.key_id, Kind.INGEST, ("a",))}
    revoke_key(engine, made.key_id, NOW + 1)
    assert publish_sites(published, engine)
    told = published.fetch()
    assert told is not None
    assert told.keys == {}


def test_what_an_earlier_version_published_has_no_keys(queue: EventQueue) -> None:
    published = PublishedSites(queue)
    queue.redis.hset(published.key, mapping={"version": "1", "stamp": "0-0-0", "sites": "{}"})
    told = published.fetch()
    assert told is not None
    assert (told.sites, told.keys) == ({}, None)


def test_when_one_was_used_last_is_written_down(engine: Engine, queue: EventQueue) -> None:
    made, _ = create(engine)
    before, used = stamp(engine), UsedKeys(queue)
    for at, known in (
        (NOW + 1, NOW + 1),
        (NOW + 2, NOW + 1),  # once a minute is enough
        (NOW + 1 + USED_AGAIN_MS, NOW + 1 + USED_AGAIN_MS),
        (NOW, NOW + 1 + USED_AGAIN_MS),
    ):
        used.tell({made.key_id: at, "nobody": at})
        note_used(engine, used.fetch())
        with engine.begin() as connection:
            assert list(map(attrgetter("last_used_at"), fetch_keys(connection))) == [known]
    assert stamp(engine) == before  # nobody has to hear of that

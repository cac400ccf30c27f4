"""Who may post with which key, where one is asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from ingestion.app import Ingestion
from ingestion.sites import site_book
from shared.keys.keys import Key, Kind, digest_of
from shared.queue.event_queue import EventQueue
from shared.queue.used_keys import TELL_SECONDS, UsedKeys
from shared.sites.published import PublishedSites
from shared.sites.settings import settings_from
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import post, queued
from tests.servers import ValkeyServer, free_port

KEYS = {
    "ff_posts": Key("posts", Kind.INGEST),
    "ff_shop": Key("shop", Kind.INGEST, ("shop",)),
    "ff_admin": Key("admin", Kind.ADMIN),
    "ff_reads": Key("reads", Kind.READ),
    "ff_over": Key("over", Kind.INGEST, expires_at=1),
}
ASKED = {"api_auth": "root", "ingest_auth": True}


def publish(queue: EventQueue, keys: Mapping[str, Key]) -> None:
    published = PublishedSites(queue)
    by_digest = {digest_of(text): key for text, key in keys.items()}
    sites = {"shop": settings_from({"aliases": ["7"]})}
    assert published.replace(published.fetch_state()[0], "test", sites, by_digest)


def view(site_id: str = "shop") -> dict[str, Any]:
    return {"site_id": site_id, "event_type": "page_view", "path": "/"}


@pytest.fixture
def app(queue: EventQueue, make_ingestion: MakeIngestion) -> Ingestion:
    publish(queue, KEYS)
    return make_ingestion(**ASKED)


@pytest.mark.parametrize(
    ("text", "site_id", "status", "code"),
    [
        ("", "shop", 401, "unauthorized"),
        ("wrong", "shop", 401, "unauthorized"),
        ("ff_wrong", "shop", 401, "unauthorized"),
        ("ff_over", "shop", 401, "unauthorized"),
        ("ff_reads", "shop", 403, "wrong_key"),
        ("root", "blog", 202, None),
        ("ff_posts", "blog", 202, None),
        ("ff_admin", "blog", 202, None),
        ("ff_shop", "shop", 202, None),
        ("ff_shop", "7", 202, None),  # another name of it
        ("ff_shop", "blog", 403, "other_site"),
    ],
)
def test_an_event_is_taken_with_a_key_for_it(
    app: Ingestion, queue: EventQueue, text: str, site_id: str, status: int, code: str | None
) -> None:
    for header in (text, f"Bearer {text}"):
        answer = post(app, view(site_id), HTTP_AUTHORIZATION=header)
        assert (answer.status, answer.json.get("code")) == (status, code)
    assert len(queued(queue)) == (2 if status == 202 else 0)


def test_of_a_batch_only_events_of_other_sites_are_refused(
    app: Ingestion, queue: EventQueue
) -> None:
    events = [view("shop"), view("blog"), view("7")]
    answer = post(app, events, "/events", HTTP_AUTHORIZATION="ff_shop")
    assert (answer.status, answer.json["accepted"]) == (202, 2)
    (rejected,) = answer.json["rejected"]
    assert (rejected["index"], rejected["code"], rejected["field"]) == (1, "other_site", "site_id")
    assert [event.site_id for event in queued(queue)] == ["shop", "shop"]


def test_one_that_is_revoked_lets_nobody_post_within_seconds(
    app: Ingestion, queue: EventQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_book, "LOOK_SECONDS", 0.0)
    assert post(app, view(), HTTP_AUTHORIZATION="ff_posts").status == 202
    publish(queue, {})
    app.door.sites.look()
    assert post(app, view(), HTTP_AUTHORIZATION="ff_posts").status == 401
    assert post(app, view(), HTTP_AUTHORIZATION="root").status == 202


def test_after_a_restart_keys_are_known_while_redis_is_away(
    app: Ingestion, make_ingestion: MakeIngestion, tmp_path: Path
) -> None:
    assert post(app, view(), HTTP_AUTHORIZATION="ff_posts").status == 202
    away = {"redis_url": f"redis://127.0.0.1:{free_port()}/0"}
    data_dir = app.door.sites.file.parent
    kept = make_ingestion(**ASKED, **away, data_dir=data_dir)
    assert post(kept, view(), HTTP_AUTHORIZATION="ff_posts").status == 202  # in the spool
    assert post(kept, view(), HTTP_AUTHORIZATION="ff_wrong").status == 401
    new = make_ingestion(**ASKED, **away, data_dir=tmp_path / "new")
    answer = post(new, view(), HTTP_AUTHORIZATION="ff_posts")
    assert (answer.status, answer.json["code"]) == (503, "keys_unknown")
    assert post(new, view(), HTTP_AUTHORIZATION="root").status == 202
    assert post(new, view(), HTTP_AUTHORIZATION="wrong").status == 401


def test_what_an_earlier_version_kept_hides_no_key(
    queue: EventQueue, make_ingestion: MakeIngestion, tmp_path: Path
) -> None:
    """It kept the sites under the version under which there are keys as well."""
    publish(queue, KEYS)
    told = PublishedSites(queue).fetch()
    assert told is not None
    file = tmp_path / "data" / "sites.json"
    file.parent.mkdir()
    file.write_bytes(msgspec.json.encode((told.version, told.sites)))
    app = make_ingestion(**ASKED, data_dir=file.parent)
    assert post(app, view(), HTTP_AUTHORIZATION="ff_posts").status == 202
    away = {"redis_url": f"redis://127.0.0.1:{free_port()}/0", "data_dir": tmp_path / "other"}
    file.rename(file.with_name("kept"))
    (tmp_path / "other").mkdir()
    file.with_name("kept").rename(tmp_path / "other" / "sites.json")
    alone = make_ingestion(**ASKED, **away)
    answer = post(alone, view(), HTTP_AUTHORIZATION="ff_posts")
    assert (answer.status, answer.json["code"]) == (503, "keys_unknown")
    known = alone.door.sites.current()
    assert known is not None
    assert known.named("7") == "shop"


def test_redis_is_told_when_keys_were_used_and_once_more_if_it_was_away(
    app: Ingestion, queue: EventQueue, valkey: ValkeyServer
) -> None:
    for text in ("root", "ff_wrong", "ff_reads", "ff_posts"):
        post(app, view(), HTTP_AUTHORIZATION=text)
    sites = app.door.sites
    sites.told_at = -TELL_SECONDS
    valkey.kill()
    with pytest.raises(redis.RedisError):
        sites.tell_used()
    valkey.revive()
    sites.told_at = -TELL_SECONDS
    sites.tell_used()
    assert list(UsedKeys(queue).fetch()) == ["posts"]
    assert sites.used == {}


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 401), ("ff_over", 401), ("ff_posts", 403), ("ff_reads", 200), ("root", 200)],
)
def test_numbers_are_told_to_whom_may_read(app: Ingestion, text: str, status: int) -> None:
    app.door.sites.look_first()
    headers = {"Authorization": text}
    assert app.test_client().get("/metrics", headers=headers).status_code == status


def test_where_no_key_is_asked_for_none_is_looked_at(
    queue: EventQueue, make_ingestion: MakeIngestion
) -> None:
    publish(queue, KEYS)
    app = make_ingestion(api_auth="root")
    for text in ("ff_over", "ff_reads", "ff_shop"):
        assert post(app, view("blog"), HTTP_AUTHORIZATION=text).status == 202

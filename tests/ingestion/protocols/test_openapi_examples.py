"""Every example of ingestion's OpenAPI document, sent to a running service."""

import contextlib
import dataclasses
import gzip
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.app import Ingestion, create_app
from ingestion.openapi import OPENAPI
from ingestion.protocols.known import PROTOCOLS, finder
from ingestion.reading.body import (
    MAX_BODY_BYTES,
    MAX_EVENT_BYTES,
    MAX_GZIP_BYTES,
    MAX_GZIP_MEMBERS,
    too_slow,
)
from ingestion.reading.request import MAX_PARAMETERS, Request
from ingestion.reading.values import MAX_VALUES
from shared.clock import DAY_MS
from shared.fields import MAX_EVENTS
from shared.keys.keys import Key, Kind, digest_of
from shared.queue.limits import Charge
from shared.settings import Settings
from shared.sites.published import PublishedSites
from shared.sites.settings import settings_from
from shared.sites.strangers import Strangers
from tests.documented import Example, conforms, examples_of, send
from tests.events import NOW
from tests.servers import ValkeyServer, free_port

ONE = {"site_id": "site-abc-123", "event_type": "page_view", "path": "/pricing"}
EMPTY = gzip.compress(b"", mtime=0)
ZIP = {"Content-Encoding": "gzip"}
# What no readable example can hold.
REQUESTS: dict[str, dict[str, Any]] = {
    "too_large": {"body": b" " * (MAX_BODY_BYTES + 1)},
    "event_too_large": {
        "body": {
            **ONE,
            "properties": {f"p{n}": "x" * 1000 for n in range(MAX_EVENT_BYTES // 1000 + 1)},
        }
    },
    "too_many_events": {"body": [ONE] * (MAX_EVENTS + 1)},
    "too_many_values": {"body": b"[" + b"0," * MAX_VALUES + b"0]"},
    "too_many_numbers": {"body": b"[[" + b"1e-400," * 3000 + b"0]]"},
    "too_many_members": {"body": EMPTY * (MAX_GZIP_MEMBERS + 1), "headers": ZIP},
    "gzip_too_large": {"body": EMPTY.ljust(MAX_GZIP_BYTES + 1), "headers": ZIP},
    "query_too_long": {"body": ONE, "query": {f"p{n}": "1" for n in range(MAX_PARAMETERS + 1)}},
    "invalid_utf8": {"body": b'{"site_id":"caf\xe9"}'},
    "too_deep": {"body": b"[" * 100_000},
    "bad_length": {"body": b"{}", "environ": {"CONTENT_LENGTH": "-1"}},
    "host_not_allowed": {
        "body": ONE | {"site_id": "shop"},
        "headers": {"Origin": "https://copy.example"},
    },
    **{name: {"body": ONE | {"site_id": "shop"}} for name in ("unknown_site", "too_many_sites")},
    "sites_unknown": {"body": ONE},
    "keys_unknown": {"body": ONE, "headers": {"Authorization": "Bearer ff_posting"}},
    "wrong_key": {"body": ONE, "headers": {"Authorization": "Bearer ff_reading"}},
    "other_site": {
        "body": ONE | {"site_id": "shop"},
        "headers": {"Authorization": "Bearer ff_posting"},
    },
    "posting_key": {"headers": {"Authorization": "ff_posting"}},
    "key_of_a_site": {"headers": {"Authorization": "ff_of_blog"}},
    **{name: {"body": ONE | {"site_id": "shop"}} for name in ("site_limit", "address_limit")},
    "key_quota": {
        "body": ONE | {"site_id": "blog"},
        "headers": {"Authorization": "Bearer ff_posting"},
    },
    "incomplete_body": {
        "environ": {"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b'{"site_id":')}
    },
}
# Numbers in these sentences are the machine's.
FULL = {"backlog_full", "backlog_of_bytes_full", "spool_full"}
LIMITED = {"site_limit", "address_limit"}
VARYING = {"queue_unavailable", "spooling", "key_quota", *LIMITED, *FULL}
PLACES = re.compile(r"unix://\S+|redis://\S+|\S+/spool\b|\d+")
AWAY = {"redis_url": f"redis://127.0.0.1:{free_port()}/0"}
# Of a client that sends so slowly that only a server can tell.
TOO_SLOW = "body_too_slow"


FORGETFUL = {
    "ready": ("appendonly", "no", "yes"),
    "event": ("maxmemory-policy", "allkeys-lru", "noeviction"),
}


# Those that a key is refused for.
OF_A_KEY = ("wrong_key", "other_site", "key_quota")
OF_A_READER = ("posting_key", "key_of_a_site")


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Ingestion]:
    app = create_app(settings)
    yield app
    app.door.close()


def settings_for(example: Example, settings: Settings) -> Settings:
    """The settings under which a service answers so."""
    changes: dict[str, dict[str, Any]] = {
        "unauthorized": {"api_auth": "key", "ingest_auth": True},
        **{key: {"api_auth": "key"} for key in ("no_key", *OF_A_READER)},
        **{key: {"api_auth": "key", "ingest_auth": True} for key in OF_A_KEY},
        "site_limit": {"site_events_per_second": 100},
        "address_limit": {"address_events_per_second": 50},
        "keys_unknown": AWAY | {"api_auth": "key", "ingest_auth": True},
        "queue_unavailable": AWAY | {"spool_max_bytes": 0},
        "spool_full": AWAY | {"spool_max_bytes": 300},
        "spooling": AWAY,
        "backlog_full": {"max_backlog": 1},
        "unknown_site": {"registered_sites_only": True},
        "sites_unknown": AWAY | {"registered_sites_only": True},
        "backlog_of_bytes_full": {"max_backlog_bytes": 1},
    }
    return dataclasses.replace(settings, **changes.get(example.name, {}))


@contextlib.contextmanager
def circumstances(example: Example, app: Ingestion, valkey: ValkeyServer) -> Iterator[None]:
    """What has to be so before the request, beyond settings."""
    if example.name in FULL:
        assert send(app, "post", "/event", {"body": ONE}).status_code == 202
    queue = app.door.queue
    if example.name in LIMITED:
        for _ in range(2):
            send(app, "post", "/events", {"body": [ONE | {"site_id": "shop"}] * 1000})
    if example.name == "key_quota":
        its_key = app.door.limits.of_key(
            Key("one", Kind.INGEST), 100_000, app.door.clock() // DAY_MS
        )
        queue.push([b"1"], [Charge(its_key, 100_000)])
    if example.name == "too_many_sites":
        Strangers(queue, 0).enter(map(str, range(app.door.sites.max_sites)), NOW)
    if example.name in {"host_not_allowed", "unknown_site"}:
        its_hosts = settings_from({"hosts": ["shop.example"]})
        registered = {"shop" if example.name == "host_not_allowed" else "other": its_hosts}
        PublishedSites(queue).replace(b"", "", registered)
    if example.name in {*OF_A_KEY, *OF_A_READER}:
        keys = {
            digest_of("ff_posting"): Key("one", Kind.INGEST, ("blog",), None, 100_000),
            digest_of("ff_reading"): Key("other", Kind.READ),
            digest_of("ff_of_blog"): Key("third", Kind.READ, ("blog",)),
        }
        PublishedSites(queue).replace(b"", "", {}, keys)
        app.door.sites.look()
    if example.name != "queue_not_durable":
        yield
        return
    option, value, kept = FORGETFUL["ready" if example.path == "/ready" else "event"]
    with valkey.client() as client:
        client.config_set(option, value)
        try:
            yield
        finally:
            client.config_set(option, kept)


def comparable(name: str, value: Any) -> Any:
    """The answer without what differs from machine to machine."""
    if isinstance(value, str):  # metrics: which there are
        return {line.partition(" ")[0] for line in value.splitlines() if line[:1] != "#"}
    if name in VARYING:
        return json.loads(PLACES.sub("_", json.dumps(value)))
    return value


@pytest.mark.parametrize(
    "example", [each for each in examples_of(OPENAPI) if each.name != TOO_SLOW], ids=str
)
def test_the_example_is_answered_as_documented(
    example: Example, settings: Settings, valkey: ValkeyServer
) -> None:
    request = {**example.request, **REQUESTS.get(example.name, {})}
    with (
        running(settings_for(example, settings)) as app,
        circumstances(example, app, valkey),
    ):
        if example.path == "/metrics":
            send(app, "post", "/event", {"body": ONE})
        is_pushed = example.status < 400 and example.name != "spooling"
        queued = app.door.queue.redis.llen if is_pushed else None
        before = queued(app.door.queue.buffer) if queued else 0
        answer = send(app, example.method, example.path, request)
        after = queued(app.door.queue.buffer) if queued else 0
    assert answer.status_code == example.status
    for name, header in example.headers.items():
        assert answer.headers[name] == str(header.get("example", answer.headers[name]))
    got = comparable(example.name, answer.get_json() or answer.get_data(as_text=True))
    documented = comparable(example.name, example.value)
    if isinstance(documented, set):
        assert got >= documented
    else:
        assert got == documented
    if example.status == 202:
        assert after - before == example.value.get("accepted", 1)


def test_a_body_that_is_too_slow_is_answered_as_documented(settings: Settings) -> None:
    def read(_: int) -> bytes:
        raise too_slow()

    documented = [example for example in examples_of(OPENAPI) if example.name == TOO_SLOW]
    with running(settings) as app:
        for example in documented:
            protocol = finder(PROTOCOLS)("POST", example.path)
            assert protocol
            request = Request("POST", example.path, "", {}, None, read)
            answer = app.door.receive(protocol, request)
            assert (answer.status, json.loads(answer.body)) == (example.status, example.value)
    assert {example.path for example in documented} >= {"/event", "/events"}


def test_a_preflight_is_answered_as_documented(settings: Settings) -> None:
    for path in ("/event", "/events"):
        operation = OPENAPI["paths"][path]["options"]
        headers = {p["name"]: p["example"] for p in operation["parameters"]}
        with running(settings) as app:
            answer = send(app, "options", path, {"headers": headers})
        assert answer.status_code == 204
        for name, header in operation["responses"]["204"]["headers"].items():
            assert answer.headers[name] == header["example"]


def test_the_pixel_is_answered_as_documented(settings: Settings) -> None:
    operation = OPENAPI["paths"]["/pixel.gif"]["get"]
    query = {p["name"]: p["example"] for p in operation["parameters"] if "example" in p}
    with running(settings) as app:
        answer = send(app, "get", "/pixel.gif", {"query": query})
        assert app.door.queue.redis.llen(app.door.queue.buffer) == 1
    assert (answer.status_code, len(answer.data)) == (200, 43)
    assert answer.content_type in operation["responses"]["200"]["content"]
    for name, header in operation["responses"]["200"]["headers"].items():
        assert answer.headers[name] == header["example"]


@pytest.mark.parametrize("path", [path for path in OPENAPI["paths"] if "tracker" in path])
def test_the_tracker_is_answered_as_documented(settings: Settings, path: str) -> None:
    documented = OPENAPI["paths"][path]["get"]["responses"]
    with running(settings) as app:
        answer = send(app, "get", path, {})
        tag = {"If-None-Match": answer.headers["ETag"]}
        again = send(app, "get", path, {"headers": tag})
    assert {str(answer.status_code), str(again.status_code)} == documented.keys()
    assert answer.mimetype in documented["200"]["content"]
    for name, header in documented["200"]["headers"].items():
        assert answer.headers[name] == header["example"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("get", "/event", 405), ("get", "/no", 404)]
)
def test_other_paths_and_methods_are_errors_of_the_same_shape(
    method: str, path: str, status: int, settings: Settings
) -> None:
    with running(settings) as app:
        answer = send(app, method, path, {})
    assert answer.status_code == status
    conforms(OPENAPI, {"$ref": "#/components/schemas/Error"}, answer.get_json())


def test_the_document_is_served_as_it_is(settings: Settings) -> None:
    told = {"headers": {"Host": OPENAPI["servers"][0]["url"].removeprefix("http://")}}
    with running(settings) as app:
        assert send(app, "get", "/openapi.json", told).get_json() == OPENAPI

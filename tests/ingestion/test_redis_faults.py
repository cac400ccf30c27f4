"""What a Redis that cannot take events says at the door and in `/ready`, and that both recover,
with a spool and without.

Connections are open before each fault, and stay open where the server leaves them so.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from ingestion.app import Ingestion, create_app
from shared.queue import push as held
from shared.settings import Settings
from tests.conftest import MakeIngestion
from tests.ingestion.wsgi import ONE, post
from tests.redis_faults import FAULTS, Fault, set_to
from tests.servers import ValkeyServer, wait_until


@pytest.mark.parametrize(
    ("fault", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_refuses_events_is_named_in_ready_and_both_go_on_by_themselves(
    make_ingestion: MakeIngestion, valkey: ValkeyServer, fault: Fault, sentence: str
) -> None:
    ingestion = make_ingestion(spool_max_bytes=0)
    client = ingestion.test_client()
    assert post(ingestion, ONE).status == 202
    assert client.get("/ready").status_code == 200
    with valkey.client() as admin:
        with fault(admin, valkey.directory):
            for _ in range(3):
                answer = post(ingestion, ONE)
                assert (answer.status, answer.json["code"]) == (503, "queue_unavailable")
                assert sentence in answer.json["error"]
                ready = client.get("/ready")
                assert (ready.status_code, ready.get_json()["code"]) == (503, "queue_unavailable")
                assert ready.get_json()["error"].startswith(valkey.url)
                assert ready.get_json()["error"].endswith(sentence)
        assert client.get("/ready").status_code == 200
        assert post(ingestion, ONE).status == 202
        assert admin.llen(ingestion.door.queue.buffer) == 2


@pytest.mark.parametrize(
    ("fault", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_with_a_spool_ready_says_why_it_is_used_and_events_follow_by_themselves(
    ingestion: Ingestion, client: FlaskClient, valkey: ValkeyServer, fault: Fault, sentence: str
) -> None:
    assert post(ingestion, ONE).status == 202
    with valkey.client() as admin:
        with fault(admin, valkey.directory):
            for _ in range(3):
                assert post(ingestion, ONE).status == 202
            ready = client.get("/ready")
            assert ready.status_code == 200
            why, how_much = ready.get_json()["warnings"]
            assert why.startswith(f"events are kept in the spool: {valkey.url}")
            assert why.endswith(sentence)
            assert str(ingestion.door.spool.root) in how_much
        wait_until(lambda: admin.llen(ingestion.door.queue.buffer) == 4)
        wait_until(lambda: client.get("/ready").get_json() == {"status": "ready"})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is asked for again after a moment."""
    monkeypatch.setattr(held, "POLICY_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_redis_that_may_evict_events_gets_none(
    ingestion: Ingestion, client: FlaskClient, valkey: ValkeyServer
) -> None:
    assert post(ingestion, ONE).status == 202
    with valkey.client() as admin:
        with set_to(admin, maxmemory_policy="allkeys-lru"):
            wait_until(lambda: post(ingestion, ONE).status == 503)
            answer = post(ingestion, ONE)
            assert answer.json["code"] == "queue_not_durable"
            assert "set `maxmemory-policy noeviction`" in answer.json["error"]
            before = admin.llen(ingestion.door.queue.buffer)
            assert client.get("/ready").get_json()["code"] == "queue_not_durable"
        wait_until(lambda: post(ingestion, ONE).status == 202)
        assert admin.llen(ingestion.door.queue.buffer) == before + 1


def test_the_policy_is_asked_of_a_new_connection_and_not_at_each_push(
    ingestion: Ingestion, valkey: ValkeyServer
) -> None:
    def asked() -> int:
        return int(admin.info("commandstats").get("cmdstat_info", {"calls": 0})["calls"])

    with valkey.client() as admin:
        before = asked()
        assert {post(ingestion, ONE).status for _ in range(20)} == {202}
        assert asked() - before < 5  # RQ asks as well, once, and so does this test
        with set_to(admin, maxmemory_policy="volatile-ttl"):
            assert post(ingestion, ONE).status == 202
            admin.client_kill_filter(_type="normal", skipme=True)
            assert {post(ingestion, ONE).status for _ in range(20)} == {503}


@pytest.fixture
def url_without(valkey: ValkeyServer) -> Iterator[Callable[..., str]]:
    """Makes a user who may do everything but what is named, and the URL with the name."""

    def make(*commands: str) -> str:
        denied = [f"-{command}" for command in commands]
        rights = ("reset", "on", ">pw", "~*", "&*", "+@all", *denied)
        admin.execute_command("ACL", "SETUSER", "few", *rights)
        return valkey.url.replace("unix://", "unix://few:pw@")

    with valkey.client() as admin:
        yield make
        admin.acl_deluser("few")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("denied", "status"), [("info", 503), ("config", 503), ("info config", 202)]
)
def test_where_info_is_forbidden_config_tells_and_else_nobody(
    make_ingestion: MakeIngestion,
    valkey: ValkeyServer,
    url_without: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
    denied: str,
    status: int,
) -> None:
    app = make_ingestion(redis_url=url_without(*denied.split()))
    assert post(app, ONE).status == 202
    assert app.test_client().get("/ready").status_code == 200
    with valkey.client() as admin, set_to(admin, maxmemory_policy="allkeys-lru"):
        wait_until(lambda: post(app, ONE).status == status)
    warnings = [record for record in caplog.records if "maxmemory-policy" in record.message]
    assert bool(warnings) == (status == 202)


def test_a_server_that_is_loading_is_named_and_waited_for(settings: Settings) -> None:
    with ValkeyServer() as server:
        with server.client() as admin:
            # Valkey answers after each kilobyte that it has read, and reads 300 keys a second.
            admin.mset({str(number): random.Random(number).randbytes(200) for number in range(999)})
            admin.bgrewriteaof()
            wait_until(lambda: not admin.info("persistence")["aof_rewrite_in_progress"])
        app = create_app(replace(settings, redis_url=server.url, spool_max_bytes=0))
        assert post(app, ONE).status == 202
        server.stop()
        server.options |= {
            "key-load-delay": "3000",
            "loading-process-events-interval-bytes": "1024",
        }
        starting = threading.Thread(target=server.start)
        starting.start()
        with closing(app.door.queue):
            sentence = "it is still reading its data from disk"
            wait_until(lambda: sentence in post(app, ONE).json.get("error", ""))
            assert sentence in app.test_client().get("/ready").get_json()["error"]
            wait_until(lambda: post(app, ONE).status == 202)
        starting.join()

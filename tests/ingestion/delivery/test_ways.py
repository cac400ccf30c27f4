"""Every way to Redis that an address can tell: events arrive, and after an outage they do again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.conftest import MakeQueue
from tests.ingestion.delivery.test_outages import fetch, is_each_there_once, posting, spooled
from tests.ingestion.delivery.tls_front import TlsFront
from tests.ingestion.test_servers import SERVERS, start
from tests.servers import ValkeyServer, free_port, wait_until

PASSWORD = "s3cret"


class LockedValkey(ValkeyServer):
    """Valkey on a port and a socket, with a password."""

    def __init__(self) -> None:
        self.port = free_port()
        super().__init__({"port": str(self.port), "requirepass": PASSWORD})

    @property
    def url(self) -> str:
        return f"{super().url}?password={PASSWORD}"


@pytest.fixture(scope="module")
def locked_server() -> Iterator[LockedValkey]:
    with LockedValkey() as server:
        yield server


@pytest.fixture(scope="module")
def addresses(
    locked_server: LockedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    directory: Path = tmp_path_factory.mktemp("authority")
    authority = Authority(directory, "ours")
    with TlsFront(authority.certify("redis"), locked_server.port) as front:
        yield {
            "socket": locked_server.url,
            "password": f"redis://:{PASSWORD}@127.0.0.1:{locked_server.port}/0",
            "TLS": f"rediss://:{PASSWORD}@127.0.0.1:{front.port}/0?ssl_ca_certs={authority.path}",
        }


@pytest.mark.parametrize("way", ["socket", "password", "TLS"])
@pytest.mark.parametrize("server", SERVERS)
def test_events_arrive_over(
    locked_server: LockedValkey,
    addresses: dict[str, str],
    make_queue: MakeQueue,
    server: str,
    way: str,
) -> None:
    with locked_server.client() as client:
        client.flushall()
    queue = make_queue(redis_url=locked_server.url)
    with start(server, addresses[way]) as service:
        with posting(service) as posters:
            wait_until(lambda: len(posters[0].ids) > 10)
            assert not spooled(service)
            locked_server.kill()
            wait_until(lambda: spooled(service))
            locked_server.start()
            wait_until(lambda: not spooled(service))
        wait_until(lambda: not spooled(service))
        assert fetch(service, "GET", "/ready") == (200, '{"status":"ready"}\n')
        is_each_there_once(queue, posters)
        assert PASSWORD not in service.log()

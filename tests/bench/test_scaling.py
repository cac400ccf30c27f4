"""How workers scale is measured: each command is kept back, and all workers store one backlog."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pymysql

from bench.against.storing import Servers
from bench.batches import Traffic, make_batches
from bench.scaling.drain import Drained, drain
from bench.scaling.proxy import FULL_BYTES, ProxyServer, read_command
from bench.scaling.run import Case, Scale, as_table, efficiency
from tests.servers import MariaDbServer, ValkeyServer

DELAY_MS = 20
SCALE = Scale()


def test_two_workers_store_a_backlog_that_nobody_adds_to(
    valkey: ValkeyServer, mariadb: MariaDbServer
) -> None:
    batches = make_batches(Traffic(sites=2, events=200, batch=20))
    payloads = [payload for batch in batches for payload in batch.payloads]
    drained = drain(Servers(valkey, mariadb), payloads, workers=2, batch=20, delay_ms=DELAY_MS)
    assert drained.events == 200
    # A batch takes more than five of them, and ten batches half as long where two work at once.
    assert drained.commands > 5 * 10
    assert drained.seconds > 5 * 5 * DELAY_MS / 1000
    assert drained.deadlocks == 0


def test_the_proxy_keeps_each_command_back_and_counts_it(mariadb: MariaDbServer) -> None:
    with ProxyServer(mariadb.port, DELAY_MS) as proxy:
        with pymysql.connect(host="127.0.0.1", port=proxy.port, user="root") as connection:
            cursor = connection.cursor()
            started = perf_counter()
            for number in range(5):
                cursor.execute(f"SELECT {number}, REPEAT('x', 100000)")
                assert cursor.fetchone() == (number, "x" * 100_000)
            assert perf_counter() - started >= 5 * DELAY_MS / 1000
        # Logging in takes some as well, and so does leaving.
        assert 5 < proxy.commands() < 15


def test_a_command_of_several_packets_is_one() -> None:
    full = b"\xff\xff\xff\0" + b"a" * FULL_BYTES
    commands = [full + b"\2\0\0\1bc", b"\1\0\0\0d", full + b"\0\0\0\1"]

    async def read() -> list[bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(commands))
        return [await read_command(reader) for _ in commands]

    with ThreadPoolExecutor() as elsewhere:  # a browser's tests leave a loop running in this thread
        assert elsewhere.submit(asyncio.run, read()).result() == commands


def drained(seconds: float, events: int) -> Drained:
    return Drained(events, seconds, 150, 3, 400, 0, 0.5, 1.25, 70)


def test_what_is_too_far_from_linear_is_missed() -> None:
    found = {
        Case(1, 1): [drained(10, 10_000), drained(5, 10_000), drained(10, 10_000)],
        Case(1, 2): [drained(10, 19_000)],
        Case(1, 4): [drained(10, 30_000)],
    }
    assert [round(efficiency(found, case), 2) for case in found] == [1.0, 0.95, 0.75]
    rows = as_table(found, SCALE).splitlines()[2:]
    assert rows[1].startswith("| 1 | 2 | 1,900 | 1.90 | 0.95 | 7.9 | 3 | 2.0% | 0 | 0.50 | 1.25 |")
    assert "0.75 **missed**" in rows[2]
    assert "missed" not in rows[1]

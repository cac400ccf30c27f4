"""`python -m bench.scaling.proxy`: stands between workers and their database, and keeps each
statement back for a while, as a database that is far away or slow would.

Of the client's bytes it reads only where a command ends: each goes on as a whole, `delay_ms` after
it came and not before the one before it. What the server answers goes through as it comes.
"""

import asyncio
import re
import signal
import sys
from collections.abc import Mapping

from bench.against.programs import last_error
from tests.servers import ROOT, Server, free_port

HEAD_BYTES = 4
# A packet of so many bytes says that the command goes on in the next.
FULL_BYTES = 0xFFFFFF
READ_BYTES = 1 << 18
READY = "listening"
COUNTED = re.compile(r"commands: (\d+)")


class ProxyServer(Server):
    """The proxy as a process of its own, in front of a port of this machine."""

    def __init__(self, to_port: int, delay_ms: float) -> None:
        super().__init__()
        self.port = free_port()
        self.to_port = to_port
        self.delay_ms = delay_ms

    def command(self) -> list[str]:
        given = (self.port, self.to_port, self.delay_ms)
        return [sys.executable, "-m", "bench.scaling.proxy", *map(str, given)]

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "PYTHONPATH": str(ROOT)}

    def is_ready(self) -> bool:
        return READY in self.log()

    def commands(self) -> int:
        """How many commands went through it. It ends with that."""
        if self.stop():
            raise RuntimeError(f"the proxy failed: {last_error(self.log())}")
        found = COUNTED.search(self.log())
        assert found
        return int(found.group(1))


class Proxy:
    """Counts the commands that it lets through."""

    def __init__(self, to_port: int, delay_seconds: float) -> None:
        self.to_port = to_port
        self.delay_seconds = delay_seconds
        self.commands = 0

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection of a client's, until either side ends it."""
        server, to_server = await asyncio.open_connection("127.0.0.1", self.to_port)
        ways = (self.delay(client, to_server), pass_on(server, to_client))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in (to_client, to_server):
                writer.close()

    async def delay(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while True:
            command = await read_command(client)
            await asyncio.sleep(self.delay_seconds)
            self.commands += 1
            to_server.write(command)
            await to_server.drain()


async def pass_on(server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    while some := await server.read(READ_BYTES):
        to_client.write(some)
        await to_client.drain()


async def read_command(client: asyncio.StreamReader) -> bytes:
    """All packets of the next command. Raises asyncio.IncompleteReadError at the end."""
    parts = []
    length = FULL_BYTES
    while length == FULL_BYTES:
        head = await client.readexactly(HEAD_BYTES)
        length = int.from_bytes(head[:3], "little")
        parts += [head, await client.readexactly(length)]
    return b"".join(parts)


async def run(port: int, to_port: int, delay_ms: float) -> None:
    """Until SIGTERM; how many commands there were is printed then."""
    proxy = Proxy(to_port, delay_ms / 1000)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=READ_BYTES)
    print(READY, flush=True)
    await stopped.wait()
    server.close()
    print(f"commands: {proxy.commands}", flush=True)


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))

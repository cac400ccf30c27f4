"""The door for Granian: one asyncio loop answers the protocols' routes, whoever is slow.

All requests are read in the loop by the same functions as under WSGI; large bodies in a thread, so
that they hold nobody up. Every other route is Flask's, called in a thread through Werkzeug's own
WSGI runner: Granian serves one interface a process, and its own runner is bound to its Rust side.
RSGI is its native interface.
"""

import asyncio
import io
import sys
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from flask import Flask
from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.rsgi import Scope
from werkzeug.test import run_wsgi_app

from ingestion.delivery.delivery import LoopDelivery
from ingestion.door import Door
from ingestion.doors.wsgi import ENVIRON_KEYS, environ_key
from ingestion.protocols.protocol import Answer, Protocol
from ingestion.reading.body import BODY_SECONDS, MAX_BODY_BYTES, incomplete, too_slow
from ingestion.reading.request import Request
from ingestion.telemetry import TurnCount
from shared.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# What takes longer to read than a turn of the loop should take: of ordinary events that is half a
# millisecond, of the dearest three. In a thread the same takes a fifth more CPU.
LARGE_BYTES = 24 * 1024
SWEEP_SECONDS = 1.0
# Of a body that does not tell its length: each takes 30 microseconds of CPU, also one of a byte.
MAX_CHUNKS = 2000
# The interpreter's lock is taken from a thread that reads a large body after so long.
SWITCH_SECONDS = 0.001
READERS = 2
FLASK_THREADS = 4


# Headers of which there is one, or whose first line decides.
ONCE = frozenset({"content-type", "content-length", "content-encoding", "user-agent", "origin"})


class RsgiDoor:
    """The application that Granian calls."""

    def __init__(self, door: Door, flask: Flask) -> None:
        self.door = door
        self.protocol_at = door.protocol_at
        self.flask = flask
        self.readers = ThreadPoolExecutor(READERS, "reader")
        self.flask_threads = ThreadPoolExecutor(FLASK_THREADS, "flask")
        # Who waits for a body and until when, in the order of their arrival, and so of their ends.
        self.arriving: dict[asyncio.Task[Any], float] = {}
        self.loop: asyncio.AbstractEventLoop
        self.delivery: LoopDelivery
        self.sweeping: asyncio.TimerHandle

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Before the first request, in the server's own process."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self.loop = loop
        loop.run_until_complete(self.start())

    async def start(self) -> None:
        self.delivery = LoopDelivery(self.door.queue, self.door.spool)
        self.door.count = TurnCount(self.loop.call_soon)
        await self.loop.run_in_executor(self.readers, self.door.sites.look_first)
        self.sweeping = self.loop.call_later(SWEEP_SECONDS, self.sweep)
        self.door.keeper.start()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """After the last."""
        self.sweeping.cancel()
        loop.run_until_complete(self.delivery.close())
        self.door.close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        spoken = self.protocol_at(scope.method, scope.path)
        try:
            if spoken is None:
                await self.answer_by_flask(scope, protocol)
                return
            answer = await self.receive(spoken, scope, protocol)
            protocol.response_bytes(answer.status, answer.headers, answer.body)
        except ProtocolClosed:  # the client has hung up
            return

    async def receive(self, spoken: Protocol, scope: Scope, protocol: HTTPProtocol) -> Answer:
        """The answer to a request that hands over events."""
        headers = headers_from(scope.headers.items())
        body = b""
        # It reads what will have arrived by then.
        request = request_from(scope, headers, lambda _: body)
        outcome = None
        try:
            if request.method == "POST":
                body = await self.body_of(headers, protocol)
            if (
                len(body) > LARGE_BYTES
                or headers.get("content-encoding")
                or self.door.may_wait(request)
            ):
                read = self.door.read
                outcome = await self.loop.run_in_executor(self.readers, read, spoken, request)
            else:
                outcome = self.door.read(spoken, request)
            if outcome.strangers:
                outcome = await self.loop.run_in_executor(self.readers, self.door.admit, outcome)
            if outcome.encoded:
                charged = self.door.limits.charges(outcome)
                try:
                    is_pushed = await self.delivery.push(outcome.encoded, charged.charges)
                except Unavailable:
                    charged.give_back()
                    raise
                if is_pushed:
                    charged.settle()
        except (InvalidInput, Unavailable) as error:
            return self.door.refuse(spoken, request, error, outcome)
        return self.door.answer(spoken, request, outcome)

    async def body_of(self, headers: dict[str, str], protocol: HTTPProtocol) -> bytes:
        """The body, a byte over its bound at the most; none where its length says that it is too
        large, or is no length. Raises InvalidInput."""
        length = headers.get("content-length")
        if length is not None and not is_small(length):
            return b""
        task = asyncio.current_task(self.loop)
        assert task is not None
        self.arriving[task] = self.loop.time() + BODY_SECONDS
        try:
            return await (protocol() if length is not None else read_bounded(protocol))
        except ProtocolClosed:
            raise incomplete() from None
        except asyncio.CancelledError:
            if task in self.arriving:
                raise
            raise too_slow() from None
        finally:
            self.arriving.pop(task, None)

    def sweep(self) -> None:
        """Give up bodies whose time is over."""
        now = self.loop.time()
        for task, until in list(self.arriving.items()):
            if until > now:
                break
            del self.arriving[task]
            task.cancel()
        self.sweeping = self.loop.call_later(SWEEP_SECONDS, self.sweep)

    async def answer_by_flask(self, scope: Scope, protocol: HTTPProtocol) -> None:
        environ, buffered = environ_from(scope), True
        parts, status, headers = await self.loop.run_in_executor(
            self.flask_threads, run_wsgi_app, self.flask, environ, buffered
        )
        lines = [(name, value) for name, value in headers.items()]
        protocol.response_bytes(int(status.split()[0]), lines, b"".join(parts))


def headers_from(lines: Collection[tuple[str, str]]) -> dict[str, str]:
    """A request's headers by name. What stands on several lines is one list."""
    headers = dict(lines)
    if len(headers) < len(lines):
        headers.clear()
        for name, value in lines:
            if name not in headers:
                headers[name] = value
            elif name not in ONCE:
                headers[name] += f", {value}"
    return headers


def request_from(scope: Scope, headers: dict[str, str], read: Callable[[int], bytes]) -> Request:
    return Request(
        scope.method, scope.path, scope.query_string, headers, scope.client or None, read
    )


def is_small(length: str) -> bool:
    return length.isdigit() and len(length) <= 20 and int(length) <= MAX_BODY_BYTES


async def read_bounded(protocol: HTTPProtocol) -> bytes:
    """A body of unknown length, as far as it may be. Raises InvalidInput for too many chunks."""
    parts, size = [], 0
    async for part in protocol:
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            break
        if len(parts) > MAX_CHUNKS:
            raise too_many_chunks()
    return b"".join(parts)


def too_many_chunks() -> InvalidInput:
    sentence = f"a body must have at most {MAX_CHUNKS} chunks: send larger ones"
    return InvalidInput("too_large", sentence, status=413)


def environ_from(scope: Scope) -> "WSGIEnvironment":
    """The request as WSGI has it. No route of Flask's reads a body."""
    host, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers_from(scope.headers.items()).items():
        # WSGI would take a name with an underscore for the one with a hyphen.
        if "_" not in name:
            # Without keeping its key: a client may think up any number of names.
            environ[ENVIRON_KEYS.get(name) or environ_key(name)] = value
    return environ

"""The door's one round trip, as cheap as it gets: a Lua script on a held connection.

A call through redis-py's pool costs twice the CPU, and most of what is left is waiting: the answer
of a Redis on the same machine is there after some 40 µs, but a thread that sleeps for it is woken
much later. So a process with a single thread looks for the answer before it sleeps. With more
threads, looking only takes the interpreter's lock away from the others.
"""

import logging
import select
import socket
import struct
import threading
import time
from typing import Any

import hiredis
import redis
from redis.connection import SSLConnection

from shared.errors import Unavailable
from shared.queue.connections import Following, digest_of
from shared.queue.durability import POLICY_SECONDS, eviction, fetch_policy
from shared.queue.faults import leads_elsewhere

log = logging.getLogger(__name__)

# How long to look for an answer without sleeping; a Redis across a network takes longer, and then
# looking only burns CPU. Measured on 2 cores, 16 connections: half as much again of requests/s.
SPIN_NS = 100_000
# After one push timed out, the others do not wait for the same silence.
HUNG_SECONDS = 0.5
READ_BYTES = 4096


class PushScript:
    """A Lua script whose last arguments alone vary, called from any number of threads.

    A connection that turns out to be dead is replaced and the call made once more: the server may
    have run the first one, and then the events are in the buffer twice under the same event ids,
    which the batch counts once. So is one whose server cannot serve: its address may lead to
    another by now. A call that timed out is not repeated: the second within which to answer is
    nearly over.
    """

    def __init__(
        self,
        client: "redis.Redis",
        script: str,
        *,
        keys: tuple[str, ...],
        args: tuple[int, ...],
        looks: bool,
    ) -> None:
        self.client = client
        fixed: tuple[str | int, ...] = (len(keys), *keys, *args)
        self.fixed_parts = len(fixed) + 2
        # The script by its digest, and whole for a server that does not know it.
        self.head = parts("EVALSHA", digest_of(script), *fixed)
        self.whole = parts("EVAL", script, *fixed)
        self.hung_until = 0.0
        self.local = threading.local()
        self.looks = looks

    def __call__(self, events: list[bytes]) -> Any:
        """The script's answer. Raises redis.ConnectionError, TimeoutError or ResponseError, and
        Unavailable where the server may evict what it takes."""
        if time.monotonic() < self.hung_until:
            raise redis.TimeoutError("it did not answer a moment ago")
        try:
            return self.call_once(events)
        except redis.TimeoutError:
            self.hung_until = time.monotonic() + HUNG_SECONDS
            raise
        except redis.RedisError as error:
            if not isinstance(error, redis.ConnectionError) and not leads_elsewhere(error):
                raise
            return self.call_once(events)

    def call_once(self, events: list[bytes]) -> Any:
        try:
            connection = self.held_connection()
            refusal = connection.refusal_to_evict()
            if not refusal:
                try:
                    return connection.exchange(self.pack(self.head, events))
                except redis.exceptions.NoScriptError:  # a restarted server has forgotten it
                    return connection.exchange(self.pack(self.whole, events))
        except BaseException:
            # The answer may still be coming; or the server cannot serve, for as long as this
            # connection lasts.
            self.disconnect()
            raise
        raise Unavailable("queue_not_durable", refusal)

    def pack(self, head: bytes, events: list[bytes]) -> bytes:
        count = b"*%d\r\n" % (self.fixed_parts + len(events))
        return b"".join((count, head, *[bulk(event) for event in events]))

    def held_connection(self) -> "HeldConnection":
        held: HeldConnection | None = getattr(self.local, "held", None)
        if held is None:
            pool = self.client.connection_pool
            # Not through the pool: it counts connections ever made, and refuses the hundred and
            # first, so that a minute's outage would never end.
            held = HeldConnection(pool.connection_class(**pool.connection_kwargs), self.looks)
            self.local.held = held
        return held

    def disconnect(self) -> None:
        held: HeldConnection | None = getattr(self.local, "held", None)
        self.local.held = None
        if held is not None:
            held.close()


class HeldConnection:
    """One thread's connection: opened by redis-py (address, TLS, password), then used directly."""

    def __init__(self, connection: Following, looks: bool) -> None:
        self.connection = connection
        self.refusal: str | None = None
        self.asked_until = 0.0
        connection.connect()  # type: ignore[no-untyped-call]
        assert connection._sock is not None
        self.socket: socket.socket = connection._sock
        self.reader: hiredis.Reader = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse, replyError=reply_error
        )
        is_plain = not isinstance(connection, SSLConnection)
        # What a TLS socket has received may be half a record: nothing to look at.
        self.looks: bool = looks and is_plain
        # Its answer is a list; a failing recv would be an exception, at four times the cost.
        self.poller: select.poll = select.poll()
        self.poller.register(self.socket, select.POLLIN)
        if is_plain and connection.socket_timeout:
            self.let_kernel_time_out(connection.socket_timeout)

    def let_kernel_time_out(self, seconds: float) -> None:
        """With Python's own timeout every call is two, the first to poll."""
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(seconds))
        # A large push is several sends: the one that fills the socket's buffer waits, and so does
        # the next one before it is refused.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(seconds / 2))

    def close(self) -> None:
        self.connection.disconnect()

    def refusal_to_evict(self) -> str | None:
        """Why nothing may be pushed here, asked anew every POLICY_SECONDS."""
        now = time.monotonic()
        if now >= self.asked_until:
            policy = fetch_policy(lambda *words: self.exchange(command(*words)))
            if policy is None and not self.asked_until:
                log.warning("cannot ask Redis for its maxmemory-policy: it must be noeviction")
            self.refusal = eviction(policy)
            self.asked_until = now + POLICY_SECONDS
        return self.refusal

    def exchange(self, packed: bytes) -> Any:
        """The answer to one packed command."""
        try:
            self.socket.sendall(packed)
            if self.looks:
                self.look()
            return self.receive()
        except (TimeoutError, BlockingIOError) as error:
            raise redis.TimeoutError("no answer in time") from error
        except OSError as error:
            raise redis.ConnectionError(str(error)) from error

    def look(self) -> None:
        """Wait for an answer without sleeping, SPIN_NS at the longest."""
        deadline = time.perf_counter_ns() + SPIN_NS
        while not self.poller.poll(0) and time.perf_counter_ns() < deadline:
            pass

    def receive(self) -> Any:
        while (answer := self.reader.gets()) is False:
            received = self.socket.recv(READ_BYTES)
            if not received:
                raise redis.ConnectionError("the server closed the connection")
            self.reader.feed(received)
        if isinstance(answer, redis.ResponseError):
            self.connection.server.heard(answer)
            try:
                raise answer
            finally:
                del answer  # or error and frame keep each other alive, and the socket with them
        return answer


def reply_error(message: str) -> Exception:
    """An error reply as an exception: a forgotten script is loaded again, the rest becomes 503."""
    if message.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(message)
    return redis.ResponseError(message)


def timeval(seconds: float) -> bytes:
    """The C structure: seconds and microseconds."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))


def command(*words: str) -> bytes:
    return b"*%d\r\n%b" % (len(words), parts(*words))


def parts(*values: str | int) -> bytes:
    return b"".join(bulk(str(value).encode()) for value in values)


def bulk(value: bytes) -> bytes:
    """One bulk string of the Redis protocol (RESP)."""
    return b"$%d\r\n%b\r\n" % (len(value), value)

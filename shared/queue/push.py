"""Pushing from threads: the door's one round trip, as cheap as it gets, on a held connection.

A call through redis-py's pool costs twice the CPU.
"""

import logging
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import hiredis
import redis
from redis.connection import SSLConnection

from shared.errors import Unavailable
from shared.queue.connections import Following
from shared.queue.durability import POLICY_SECONDS, eviction, fetch_policy
from shared.queue.faults import explained, is_refusal, leads_elsewhere
from shared.queue.limits import Charges
from shared.queue.push_command import (
    NO_DEADLINE,
    Head,
    NotTaken,
    Place,
    PushCommand,
    Pushed,
    ServerClock,
    Taken,
    command_of,
    new_stream,
    reply_error,
    taken_from,
)

log = logging.getLogger(__name__)

# After one push timed out, the others do not wait for the same silence.
HUNG_SECONDS = 0.5
READ_BYTES = 4096
TIME = command_of("TIME")


class ThreadPush:
    """Pushes from any number of threads, each over its own connection and in its own stream.

    A connection that turns out to be dead, or whose server cannot serve, is replaced and the push
    made once more, with its place. One that timed out is not repeated: the second within which to
    answer is nearly over.
    """

    def __init__(self, client: "redis.Redis", command: PushCommand) -> None:
        self.client = client
        self.command = command
        self.hung_until = 0.0
        self.local = threading.local()

    def __call__(self, events: Sequence[bytes], charges: Charges = ()) -> Taken:
        """Push one request's events, with what they are charged. Raises NotTaken, and Unavailable
        where they may be evicted."""
        number = getattr(self.local, "number", 0) + 1
        stream = self.local.stream if number > 1 else new_stream()
        self.local.stream, self.local.number = stream, number
        try:
            return self.call([events], Place(stream, number), [charges], has_deadline=True)
        except NotTaken:
            self.local.number = 0  # the stream has ended
            raise

    def again(self, requests: Sequence[Sequence[bytes]], place: Place) -> Taken:
        """Push what was not answered before, or never sent: requests of consecutive places, the
        first of them given. They are accepted already, and charged nothing. Raises as a call
        does."""
        return self.call(requests, place, (), has_deadline=False)

    def call(
        self,
        requests: Sequence[Sequence[bytes]],
        place: Place,
        charges: Sequence[Charges],
        *,
        has_deadline: bool,
    ) -> Taken:
        def once() -> Taken:
            return self.call_once(requests, place, charges, has_deadline=has_deadline)

        if time.monotonic() < self.hung_until:
            raise NotTaken(None, "it did not answer a moment ago")
        self.local.may_be_there = False
        try:
            try:
                taken = once()
            except redis.TimeoutError:
                self.hung_until = time.monotonic() + HUNG_SECONDS
                raise
            except redis.RedisError as error:
                if not isinstance(error, redis.ConnectionError) and not leads_elsewhere(error):
                    raise
                taken = once()
            if Pushed.LATE in taken.outcomes:  # its clock has jumped, and is known again now
                taken = once()
        except redis.RedisError as error:  # away, out of memory, loading, a replica, no Redis
            unknown = place if self.local.may_be_there else None
            raise NotTaken(unknown, explained(error)) from error
        if Pushed.LATE in taken.outcomes:
            raise NotTaken(place, "it is too slow, or its clock jumps")
        return taken

    def call_once(
        self,
        requests: Sequence[Sequence[bytes]],
        place: Place,
        charges: Sequence[Charges],
        *,
        has_deadline: bool,
    ) -> Taken:
        try:
            held = self.held_connection()
            refusal = held.refusal_to_evict()
            deadline = held.clock.deadline() if has_deadline else NO_DEADLINE
            rest = (requests, place.number, place.number - 1, deadline, charges)
            if not refusal:
                try:
                    answer = self.exchange(held, held.head(place.stream), rest)
                except redis.exceptions.NoScriptError:  # a restarted server has forgotten it
                    answer = self.exchange(held, self.command.whole_head(place.stream), rest)
        except BaseException:
            # The answer may still be coming; or the server cannot serve, for as long as this
            # connection lasts.
            self.disconnect()
            raise
        if refusal:
            raise Unavailable("queue_not_durable", refusal)
        taken = taken_from(answer)
        held.clock.learn(taken.now)
        return taken

    def exchange(self, held: "HeldConnection", head: Head, rest: Any) -> Any:
        """The answer to a push; notes whether its events may be there where there is none."""
        before = self.local.may_be_there
        self.local.may_be_there = True
        try:
            return held.exchange(self.command.pack(head, *rest))
        except redis.RedisError as error:
            if is_refusal(error):  # before the script wrote anything
                self.local.may_be_there = before
            raise

    def held_connection(self) -> "HeldConnection":
        held: HeldConnection | None = getattr(self.local, "held", None)
        if held is None:
            pool = self.client.connection_pool
            # Not through the pool: it counts connections ever made, and refuses the hundred and
            # first, so that a minute's outage would never end.
            connection = pool.connection_class(**pool.connection_kwargs)
            held = self.local.held = HeldConnection(connection, self.command)
        return held

    def disconnect(self) -> None:
        held: HeldConnection | None = getattr(self.local, "held", None)
        self.local.held = None
        if held is not None:
            held.close()


class HeldConnection:
    """One thread's connection: opened by redis-py (address, TLS, password), then used directly."""

    def __init__(self, connection: Following, command: PushCommand) -> None:
        self.connection = connection
        self.refusal: str | None = None
        self.asked_until = 0.0
        self.command = command
        self.heads: dict[str, Head] = {}
        self.clock = ServerClock()
        connection.connect()  # type: ignore[no-untyped-call]
        assert connection._sock is not None
        self.socket: socket.socket = connection._sock
        self.reader: hiredis.Reader = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse, replyError=reply_error
        )
        if not isinstance(connection, SSLConnection) and connection.socket_timeout:
            self.let_kernel_time_out(connection.socket_timeout)
        try:
            seconds, micros = self.exchange(TIME)
        except BaseException:
            self.close()
            raise
        self.clock.learn(int(seconds) * 1000 + int(micros) // 1000)

    def head(self, stream: str) -> Head:
        """What a push of that stream begins with; made once, for a thread has one stream."""
        head = self.heads.get(stream)
        if head is None:
            self.heads.clear()
            head = self.heads[stream] = self.command.head(stream)
        return head

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
            policy = fetch_policy(lambda *words: self.exchange(command_of(*words)))
            if policy is None and not self.asked_until:
                log.warning("cannot ask Redis for its maxmemory-policy: it must be noeviction")
            self.refusal = eviction(policy)
            self.asked_until = now + POLICY_SECONDS
        return self.refusal

    def exchange(self, packed: bytes) -> Any:
        """The answer to one packed command."""
        try:
            self.socket.sendall(packed)
            return self.receive()
        except (TimeoutError, BlockingIOError) as error:
            raise redis.TimeoutError("no answer in time") from error
        except OSError as error:
            raise redis.ConnectionError(str(error)) from error

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


def timeval(seconds: float) -> bytes:
    """The C structure: seconds and microseconds."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))

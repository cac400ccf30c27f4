"""Pushing from an asyncio loop: what all requests of one turn bring goes to Redis as one call.

One connection a process, pipelined: the next turn's call does not wait for the answer to the last.
A connection is given up at its first fault, and another one opened behind the requests' backs.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import msgspec
import redis
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff

from shared.errors import Unavailable
from shared.queue import scripts
from shared.queue.connections import connection_options
from shared.queue.durability import POLICY_SECONDS, QUESTIONS, eviction, policy_in
from shared.queue.event_queue import EventQueue
from shared.queue.faults import explained, leads_elsewhere
from shared.queue.limits import Charges
from shared.queue.push import READ_BYTES, TIME
from shared.queue.push_command import (
    PUSH_SECONDS,
    NotTaken,
    Place,
    Pushed,
    ServerClock,
    command_of,
    new_stream,
    reply_error,
    taken_from,
)

log = logging.getLogger(__name__)

# Bounds of one call: Redis does nothing else meanwhile. One request is always taken whole.
CALL_EVENTS = 4000
CALL_BYTES = 1024 * 1024
# What may be on its way at once. To hold the next call until the last is answered spares the server
# a few microseconds an event, and costs two processes more than that.
MAX_CALLS = 16
# Looked up in the enumeration, it takes longer than what it is compared with.
TAKEN = int(Pushed.TAKEN)
REOPEN_SECONDS = 0.25
WATCH_SECONDS = 0.1
TOLD_SECONDS = 60.0


class Waiting(msgspec.Struct, gc=False):
    """One request's events, whoever waits for them, what they are charged, and their place where
    they were sent and not answered."""

    events: list[bytes]
    size: int
    done: asyncio.Future[bool]
    charges: Charges = ()
    place: Place | None = None

    def settle(self, error: Exception | None, *, is_pushed: bool = False) -> None:
        if self.done.done():  # whoever waited has gone
            return
        if error is None:
            self.done.set_result(is_pushed)
        else:
            # One error is for many, each of whom would add to its traceback and keep the last.
            self.done.set_exception(error.with_traceback(None))


# What is done with requests that could not be pushed, in the order of their places.
Otherwise = Callable[[Sequence[Waiting], NotTaken], None]


class TurnPush:
    """Pushes for all requests of a loop."""

    def __init__(self, queue: EventQueue, otherwise: Otherwise) -> None:
        self.queue = queue
        self.otherwise = otherwise
        self.waiting: deque[Waiting] = deque()
        self.is_flush_due = False
        self.link: Link | None = None
        self.opening: asyncio.Task[None] | None = None
        # Why there is no connection; before the first is tried, nothing is wrong yet.
        self.fault: NotTaken | None = None
        self.is_waking = False
        self.told_at = -TOLD_SECONDS
        self.loop = asyncio.get_running_loop()

    def push(self, events: list[bytes], charges: Charges = ()) -> "asyncio.Future[bool]":
        """Done once the events are kept, with whether Redis has them. It fails with Unavailable:
        `backlog_full`, a limit that is reached, or whatever `otherwise` makes of a push that
        failed."""
        future = self.loop.create_future()
        self.waiting.append(Waiting(events, sum(map(len, events)), future, charges))
        if not self.is_flush_due:
            self.is_flush_due = True
            self.loop.call_soon(self.flush)
        return future

    def flush(self) -> None:
        """Send what waits, as far as it may be on its way at once."""
        self.is_flush_due = False
        if self.link is None:
            self.open_soon()
            if self.fault is not None:
                self.give_up([], self.fault)
            return
        if self.link.refusal:
            self.refuse(Unavailable("queue_not_durable", self.link.refusal))
        while self.waiting and len(self.link.calls) < MAX_CALLS:
            self.link.send(self.next_call())

    def next_call(self) -> list[Waiting]:
        first = self.waiting.popleft()
        call, events, size = [first], len(first.events), first.size
        while self.waiting:
            request = self.waiting[0]
            events, size = events + len(request.events), size + request.size
            if events > CALL_EVENTS or size > CALL_BYTES:
                break
            call.append(self.waiting.popleft())
        return call

    def open_soon(self, pause_seconds: float = 0) -> None:
        if self.opening is None:
            self.opening = self.loop.create_task(self.open(pause_seconds))

    async def open(self, pause_seconds: float) -> None:
        """Open a connection, however long that takes; tell the first time that it does."""
        await asyncio.sleep(pause_seconds)
        while self.link is None:
            try:
                async with asyncio.timeout(PUSH_SECONDS):
                    self.link = await Link.open(self)
            # The last two where no Redis answers, or an address is none.
            except (redis.RedisError, OSError, TypeError, ValueError) as error:
                self.broken(error, [])
                await asyncio.sleep(REOPEN_SECONDS)
        self.fault = self.opening = None
        self.flush()

    def broken(self, error: BaseException, sent: Sequence[Waiting]) -> None:
        """There is no connection (any more); `sent` was not answered."""
        message = explained(error) or "no answer in time"
        self.tell(message)
        self.link = None
        if isinstance(error, redis.RedisError):
            self.queue.server.heard(error)
        self.fault = NotTaken(None, message)
        self.give_up(sent, self.fault)
        # A server that answers is there: its next connection will not be any better at once.
        self.open_soon(REOPEN_SECONDS if isinstance(error, redis.ResponseError) else 0)

    def tell(self, message: str) -> None:
        """Say in the log why events are not pushed; at most every TOLD_SECONDS."""
        now = time.monotonic()
        if now - self.told_at > TOLD_SECONDS:
            self.told_at = now
            log.warning("the queue takes no events: %s", message)

    def give_up(self, sent: Sequence[Waiting], fault: NotTaken) -> None:
        requests = [*sent, *self.waiting]
        self.waiting.clear()
        if requests:
            self.otherwise(requests, fault)

    def refuse(self, error: Unavailable) -> None:
        while self.waiting:
            self.waiting.popleft().settle(error)

    def wake(self) -> None:
        """Enqueue a job, in a thread; one at a time is enough."""
        if self.is_waking:
            return
        self.is_waking = True

        def woken(_: Any) -> None:
            self.is_waking = False

        self.loop.run_in_executor(None, self.queue.wake_or_leave_to_sweep).add_done_callback(woken)

    async def close(self) -> None:
        """Close the connection; what is on its way is waited for, PUSH_SECONDS at the longest."""
        until = time.monotonic() + PUSH_SECONDS
        while self.link is not None and self.link.calls and time.monotonic() < until:
            await asyncio.sleep(0.01)
        if self.opening is not None:
            self.opening.cancel()
        link, self.link = self.link, None
        if link is not None:
            link.close()
        self.give_up(link.unanswered() if link else [], NotTaken(None, "ingestion ends"))


class Link:
    """One connection and its stream: calls sent, and their answers in the same order."""

    def __init__(self, owner: TurnPush, connection: "aioredis.Connection") -> None:
        self.owner = owner
        self.queue = owner.queue
        self.command = owner.queue.push_command
        self.connection = connection
        self.clock = ServerClock()
        self.stream = new_stream()
        self.head = self.command.head(self.stream)
        self.sent = 0
        self.confirmed = 0
        # What was sent and when; None is the question for the policy.
        self.calls: deque[tuple[float, list[Waiting] | None]] = deque()
        self.question: bytes | None = None
        self.ask_again_at = 0.0
        self.refusal: str | None = None
        self.replies = hiredis.Reader(
            protocolError=redis.exceptions.InvalidResponse, replyError=reply_error
        )
        self.reading: asyncio.Task[None] | None = None
        self.watch: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, owner: TurnPush) -> "Link":
        """Opened by redis-py (address, TLS, password), then used directly. The script is loaded
        over the very same connection, so that no other server gets it."""
        link = cls(owner, connection_from(owner.queue))
        try:
            await link.connection.connect()  # type: ignore[no-untyped-call]
            await link.connection.send_command("SCRIPT", "LOAD", scripts.PUSH)
            await link.connection.read_response()
            seconds, micros = await link.ask(TIME)
            link.clock.learn(int(seconds) * 1000 + int(micros) // 1000)
            await link.ask_for_policy()
        except BaseException:
            link.close()
            raise
        link.reading = owner.loop.create_task(link.read())
        link.watch = owner.loop.call_later(WATCH_SECONDS, link.look)
        return link

    async def ask(self, command: bytes) -> Any:
        """The answer to a command, before there are pushes."""
        self.write(command)
        reply = await self.next_reply()
        if isinstance(reply, redis.RedisError):
            raise reply
        return reply

    async def ask_for_policy(self) -> None:
        """Find out what is evicted, and by which question that is told here."""
        for words in QUESTIONS:
            question = command_of(*words)
            try:
                policy = policy_in(await self.ask(question))
            except redis.ResponseError as error:
                if leads_elsewhere(error):
                    raise
                continue
            if policy:
                self.question, self.refusal = question, eviction(policy)
                self.ask_again_at = time.monotonic() + POLICY_SECONDS
                return
        log.warning("cannot ask Redis for its maxmemory-policy: it must be noeviction")

    def send(self, requests: list[Waiting]) -> None:
        first = self.sent + 1
        self.sent += len(requests)
        events = [request.events for request in requests]
        charges = [request.charges for request in requests]
        deadline = self.clock.deadline()
        self.calls.append((time.monotonic(), requests))
        confirmed = self.confirmed
        self.write(self.command.pack(self.head, events, first, confirmed, deadline, charges))

    def write(self, packed: bytes) -> None:
        writer = self.connection._writer
        assert writer is not None
        writer.write(packed)

    async def read(self) -> None:
        """Answer what was sent, until the connection breaks."""
        try:
            while True:
                self.answer(await self.next_reply())
                if self.owner.waiting:
                    self.owner.flush()
        except (redis.RedisError, OSError, EOFError) as error:
            self.fail(error)

    async def next_reply(self) -> Any:
        reader = self.connection._reader
        assert reader is not None
        while (reply := self.replies.gets()) is False:
            received = await reader.read(READ_BYTES)
            if not received:
                raise redis.ConnectionError("the server closed the connection")
            self.replies.feed(received)
        return reply

    def answer(self, reply: Any) -> None:
        """What became of the oldest call. Raises the redis.RedisError that ends the connection."""
        _, requests = self.calls[0]
        is_error = isinstance(reply, redis.RedisError)
        # Before it is taken for one: what is no answer leaves the call unanswered.
        taken = None if is_error or requests is None else taken_from(reply)
        self.calls.popleft()
        if requests is None:
            if not is_error:
                self.refusal = eviction(policy_in(reply))
            return
        self.confirmed += len(requests)
        if taken is None:
            self.refused(requests, explained(reply))
            if leads_elsewhere(reply):
                raise reply
            return
        self.clock.learn(taken.now)
        if Pushed.LATE in taken.outcomes:
            self.refused(requests, "it is too slow, or its clock jumps")
            return
        refusal = self.queue.refusal
        for request, outcome in zip(requests, taken.outcomes, strict=True):
            is_taken = outcome == TAKEN
            error = None if is_taken else refusal(outcome, taken.waiting, request.charges)
            request.settle(error, is_pushed=is_taken)
        if taken.is_job_wanted:
            self.owner.wake()

    def refused(self, requests: Sequence[Waiting], message: str) -> None:
        """Of these is nothing there, and later ones of the stream may be: so they have no place."""
        self.owner.tell(message)
        self.owner.otherwise(requests, NotTaken(None, message))

    def look(self) -> None:
        """Give the connection up where an answer does not come; ask for the policy now and then."""
        now = time.monotonic()
        if self.calls and now - self.calls[0][0] > PUSH_SECONDS:
            self.fail(redis.TimeoutError("no answer in time"))
            return
        if self.question and now > self.ask_again_at:
            self.ask_again_at = now + POLICY_SECONDS
            self.calls.append((now, None))
            self.write(self.question)
        self.watch = self.owner.loop.call_later(WATCH_SECONDS, self.look)

    def fail(self, error: BaseException) -> None:
        if self.owner.link is not self:  # it has failed before
            return
        self.close()
        self.owner.broken(error, self.unanswered())

    def unanswered(self) -> list[Waiting]:
        """What may be there or not, with the places under which it was sent."""
        waiting = [request for _, requests in self.calls for request in requests or ()]
        for number, request in enumerate(waiting, self.confirmed + 1):
            request.place = Place(self.stream, number)
        return waiting

    def close(self) -> None:
        if self.watch is not None:
            self.watch.cancel()
        if self.reading is not None and self.reading is not asyncio.current_task():
            self.reading.cancel()
        writer = self.connection._writer
        if writer is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                writer.transport.abort()
            # Or redis-py warns of a connection that was left open.
            self.connection._reader = self.connection._writer = None


def connection_from(queue: EventQueue) -> "aioredis.Connection":
    """A connection for asyncio with the address, password and TLS of the queue's client."""
    pool = aioredis.ConnectionPool.from_url(
        queue.url, **connection_options(queue.timeout_seconds), retry=AsyncRetry(NoBackoff(), 0)
    )
    made: aioredis.Connection = pool.make_connection()  # type: ignore[no-untyped-call]
    return made

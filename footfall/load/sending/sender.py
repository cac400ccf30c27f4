"""Sends what is planned when it is planned: an open loop, over a bounded number of connections.

A request that is due takes a free connection or waits for one; nothing slows the plan down. One
whose answer is lost, or a refusal that passes, is sent again as it was: its events have ids of
their own, and count once whichever attempt got through.
"""

import selectors
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from footfall.load.measures import Measures
from footfall.load.sending.answers import accepted_of, reason_in
from footfall.load.sending.connection import Answer, Connection
from footfall.load.traffic.plan import Plan, Slot

CONNECTIONS = 32
# Ingestion itself answers within a second.
ANSWER_SECONDS = 10.0
# After a failure nothing is sent for so long, unless the server asks for more.
PAUSE_SECONDS = 0.5
MOST_PAUSE_SECONDS = 10.0
WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """A planned request as bytes; the same bytes each time it is sent."""

    at: float
    events: int
    content: bytes


@dataclass(eq=False, slots=True)
class Line:
    """Room for one connection, and the request that it carries since `sent_at`, if any."""

    connection: Connection | None = None
    request: Request | None = None
    sent_at: float = 0.0


class Sender:
    """Carries a plan out; `clock` gives seconds since the start. Whatever makes going on pointless
    raises CannotLoad.
    """

    def __init__(
        self,
        address: tuple[str, int],
        plan: Plan,
        make_content: Callable[[Slot], bytes],
        clock: Callable[[], float],
        connections: int = CONNECTIONS,
    ) -> None:
        self.address = address
        self.plan = plan
        self.make_content = make_content
        self.clock = clock
        self.measures = Measures()
        self.lines = [Line() for _ in range(connections)]
        self.free = self.lines.copy()
        self.again: deque[Request] = deque()
        self.paused_until = 0.0
        self.selector = selectors.DefaultSelector()

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        for line in self.lines:
            self.disconnect(line)
        self.selector.close()

    @property
    def is_done(self) -> bool:
        return self.plan.is_over and not self.again and len(self.free) == len(self.lines)

    @property
    def unanswered(self) -> int:
        """Events that were sent at least once, and neither accepted nor rejected so far."""
        carried = [line.request for line in self.lines if line.request]
        return sum(request.events for request in (*self.again, *carried))

    def turn(self, longest_seconds: float = WAIT_SECONDS) -> None:
        """Send what is due, then take what comes until more is due."""
        now = self.clock()
        while self.free and now >= self.paused_until and (request := self.next_request(now)):
            self.send(self.free.pop(), request, now)
        for key, mask in self.selector.select(min(longest_seconds, self.seconds_until_due(now))):
            self.tend(key.data, mask)
        self.give_up_late_ones(self.clock())

    def seconds_until_due(self, now: float) -> float:
        """Until something can be sent; endless where only an answer can change that."""
        if not self.free or (self.plan.is_over and not self.again):
            return float("inf")
        due = now if self.again else self.plan.next.at
        return max(due, self.paused_until, now) - now

    def next_request(self, now: float) -> Request | None:
        if self.again:
            return self.again.popleft()
        slot = self.plan.take(now)
        return Request(slot.at, slot.events, self.make_content(slot)) if slot else None

    def send(self, line: Line, request: Request, now: float) -> None:
        line.request, line.sent_at = request, now
        try:
            if line.connection is None:
                line.connection = Connection(self.address)
                self.selector.register(line.connection, selectors.EVENT_READ, line)
            line.connection.start(request.content)
            if line.connection.unsent:
                self.watch(line, selectors.EVENT_READ | selectors.EVENT_WRITE)
        except OSError as error:
            self.lose(line, request, error)

    def tend(self, line: Line, mask: int) -> None:
        """See to a connection on which something has happened."""
        assert line.connection is not None
        if line.request is None:  # the server has closed an idle connection
            self.disconnect(line)
            return
        try:
            if mask & selectors.EVENT_WRITE:
                line.connection.send()
                if not line.connection.unsent:
                    self.watch(line, selectors.EVENT_READ)
            if mask & selectors.EVENT_READ:
                answer = line.connection.receive()
                if answer:
                    self.take(line, line.request, answer)
        except OSError as error:
            self.lose(line, line.request, error)

    def watch(self, line: Line, mask: int) -> None:
        assert line.connection is not None
        self.selector.modify(line.connection, mask, line)

    def take(self, line: Line, request: Request, answer: Answer) -> None:
        now = self.clock()
        accepted = accepted_of(answer, request.events)
        if accepted is None:
            self.repeat(request, reason_in(answer), answer.retry_after)
        else:
            self.measures.answered(accepted, request.events - accepted, now - request.at)
        if answer.closes:
            self.disconnect(line)
        self.release(line)

    def lose(self, line: Line, request: Request, error: OSError) -> None:
        """The connection is gone, and with it perhaps an answer."""
        self.disconnect(line)
        self.repeat(request, str(error.strerror or error).lower())
        self.release(line)

    def repeat(self, request: Request, reason: str, retry_after: float = 0.0) -> None:
        self.measures.errors[reason] += 1
        self.measures.resent += request.events
        self.again.append(request)
        pause = min(max(retry_after, PAUSE_SECONDS), MOST_PAUSE_SECONDS)
        self.paused_until = self.clock() + pause

    def release(self, line: Line) -> None:
        line.request = None
        self.free.append(line)

    def disconnect(self, line: Line) -> None:
        if line.connection is not None:
            self.selector.unregister(line.connection)
            line.connection.close()
        line.connection = None

    def give_up_late_ones(self, now: float) -> None:
        for line in self.lines:
            if line.request and now - line.sent_at > ANSWER_SECONDS:
                late = TimeoutError(f"no answer within {ANSWER_SECONDS:.0f} s")
                self.lose(line, line.request, late)

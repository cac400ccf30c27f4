"""One run from its first event to the moment when everything it sent is accounted for."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from footfall.importing.stopping import Stopping
from footfall.load.balance import Balance, Ledger, ledger_from
from footfall.load.errors import CannotLoad
from footfall.load.measures import Figures
from footfall.load.reports import BacklogWatch, NoAnswer, Reports
from footfall.load.sending.sender import Sender
from footfall.load.target import Target
from footfall.load.traffic.plan import Plan
from footfall.load.traffic.requests import Requests, head_for
from footfall.load.traffic.traffic import Shape, Traffic
from shared.clock import now_ms
from shared.fields import MAX_NAME
from shared.settings import Settings

MOST_EVENTS = 20_000_000
MOST_BATCH = 1000
# How long a run goes on for what it could not send in time, and then waits for the workers.
GRACE_SECONDS = 30.0
DRAIN_SECONDS = 60.0
SLOWEST_DRAIN_RATE = 2000
POLL_SECONDS = 0.25
TICK_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a run should be like; `shape.rate` is events a second."""

    target: Target
    reporting: Target
    site: str
    shape: Shape
    duration_seconds: float
    batch: int = 1

    @property
    def events(self) -> int:
        return max(1, round(self.shape.rate * self.duration_seconds))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run measured, and whether what was accepted is accounted for."""

    wanted: Wanted
    figures: Figures
    errors: dict[str, int]
    rejected: int
    resent: int
    not_sent: int
    drain_seconds: float
    balance: Balance

    @property
    def is_proven(self) -> bool:
        """Whether there was something to account for, and all of it was."""
        return self.balance.accepted > 0 and self.balance.is_equal


Show = Callable[[Figures, int | None], None]


def site_for(now: int) -> str:
    """The site of a run that begins now, in ms: one that nobody else has events of."""
    return f"load-{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d-%H%M%S}-{now % 1000:03}"


def check(wanted: Wanted) -> None:
    """Raises CannotLoad for what would not be the load that was meant."""
    shape = wanted.shape
    if not wanted.site.strip() or len(wanted.site) > MAX_NAME or not wanted.site.isprintable():
        raise CannotLoad(f"--site must have 1 to {MAX_NAME} printable characters")
    if wanted.events > MOST_EVENTS:
        raise CannotLoad(f"--rate times --duration must be at most {MOST_EVENTS:,} events")
    if shape.users < shape.fewest_users:
        raise CannotLoad(
            f"--users must be at least {shape.fewest_users:,} at this --rate: somebody who views "
            "more than a few pages a second is taken for a robot"
        )


class Run:
    """A run that can be watched: `requests.last` are the events it sent last."""

    def __init__(self, wanted: Wanted, settings: Settings) -> None:
        check(wanted)
        self.wanted = wanted
        self.reports = Reports(wanted.reporting, settings.api_auth)
        self.plan = Plan(wanted.shape.rate, wanted.events, wanted.batch)
        # Ids begin with the moment: the same site may be loaded again.
        run_id = site_for(now_ms())
        traffic = Traffic(wanted.site, wanted.shape, run_id)
        head = head_for(wanted.target, settings, is_batch=wanted.batch > 1)
        self.requests = Requests(head, traffic, self.plan, now_ms())
        self.requests.country_header = settings.country_header.encode()

    def execute(self, stopping: Stopping, show: Show) -> Outcome:
        """Send, wait until the workers are done, and compare. Raises CannotLoad."""
        self.requests.started_at = now_ms()
        try:
            before = ledger_from(self.reports.status())
            self.stored_before = self.stored_now()
        except NoAnswer as error:
            raise CannotLoad(
                f"--reporting-url: reporting, which a run is checked against: {error}"
            ) from error
        zero = time.monotonic()
        address, content = self.wanted.target.address, self.requests.content
        with Sender(address, self.plan, content, lambda: time.monotonic() - zero) as sender:
            with BacklogWatch(self.reports) as watch:
                send(sender, self.wanted, stopping, lambda figures: show(figures, watch.backlog))
            return self.outcome_of(sender, before, stopping)

    def outcome_of(self, sender: Sender, before: Ledger, stopping: Stopping) -> Outcome:
        measures = sender.measures
        sent_after = sender.clock()
        balance = self.settled(measures.accepted, sender.unanswered, before, stopping)
        return Outcome(
            self.wanted,
            measures.figures_overall(max(sent_after, self.plan.taken / self.plan.rate), 0),
            dict(measures.errors),
            measures.rejected,
            measures.resent,
            self.plan.events - self.plan.taken,
            sender.clock() - sent_after,
            balance,
        )

    def settled(
        self, accepted: int, unanswered: int, before: Ledger, stopping: Stopping
    ) -> Balance:
        """The balance once nothing waits, or as it is when the time for that is over."""
        deadline = time.monotonic() + DRAIN_SECONDS + accepted / SLOWEST_DRAIN_RATE
        balance = None
        is_last = False
        while not is_last:
            is_last = stopping.stop_requested or time.monotonic() > deadline
            with suppress(NoAnswer):
                status = self.reports.status()
                # In this order: what has left the queue by then is stored.
                stored = self.stored_now() - self.stored_before
                balance = Balance(accepted, unanswered, stored, ledger_from(status).since(before))
                if balance.is_equal or status["queued"] + status["processing"] == 0:
                    return balance
            stopping.wait(POLL_SECONDS)
        if balance is None:
            raise CannotLoad("reporting does not answer, so the run cannot be checked")
        return balance

    def stored_now(self) -> int:
        # Events are stored under the times they were planned for, however late that happens.
        first = self.requests.started_at
        last = first + int(self.wanted.duration_seconds * 1000)
        return self.reports.stored(self.wanted.site, first, last)


def send(
    sender: Sender, wanted: Wanted, stopping: Stopping, show: Callable[[Figures], None]
) -> None:
    """Drive the sender to its end, which a signal brings near, and show figures meanwhile."""
    deadline = wanted.duration_seconds + GRACE_SECONDS
    next_tick = TICK_SECONDS
    while not sender.is_done and (now := sender.clock()) < deadline:
        sender.turn()
        if stopping.stop_requested:
            stopping.stop_requested = False
            if sender.plan.is_over:
                return  # asked for twice: not even what is missing is waited for
            sender.plan.cut()
            deadline = now + GRACE_SECONDS
        if now >= next_tick:
            show(sender.measures.figures_lately(now, sender.plan.overdue(now)))
            next_tick = now + TICK_SECONDS

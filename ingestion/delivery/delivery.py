"""Where accepted events go: to Redis, or into the spool while Redis does not take them.

Whichever way, they are kept once this returns; what raises Unavailable is kept nowhere.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from ingestion.delivery.keeper import Keeper
from ingestion.delivery.spool import Keep, Spool
from shared.errors import Unavailable
from shared.queue.event_queue import EventQueue
from shared.queue.limits import Charges
from shared.queue.push_command import NotTaken
from shared.queue.turn_push import TurnPush, Waiting


class ThreadDelivery:
    """For servers that answer each request in a thread."""

    def __init__(self, queue: EventQueue, spool: Spool, keeper: Keeper) -> None:
        self.queue = queue
        self.spool = spool
        self.keeper = keeper

    def push(self, events: list[bytes], charges: Charges = ()) -> bool:
        """Have one request's events kept; whether they are in Redis, and charged. Raises
        Unavailable."""
        try:
            self.queue.push(events, charges)
        except NotTaken as error:
            if not self.spool.is_on:
                raise
            self.keeper.start()  # a WSGI server that is not of ours has not
            self.spool.wait_to_keep(error.place, events)
            return False
        return True


class LoopDelivery:
    """For a server that answers all requests in one asyncio loop."""

    def __init__(self, queue: EventQueue, spool: Spool) -> None:
        self.spool = spool
        self.loop = asyncio.get_running_loop()
        self.turns = TurnPush(queue, self.keep)

    def push(self, events: list[bytes], charges: Charges = ()) -> "asyncio.Future[bool]":
        """Done once one request's events are kept, with whether they are in Redis, and charged. It
        fails with Unavailable."""
        return self.turns.push(events, charges)

    def keep(self, requests: Sequence[Waiting], fault: NotTaken) -> None:
        """Keep what could not be pushed, and answer it then."""
        if not self.spool.is_on:
            settle(requests, fault)
            return

        def tell(error: Unavailable | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                self.loop.call_soon_threadsafe(settle, requests, error)

        self.spool.keep(Keep([(request.place, request.events) for request in requests], tell))

    async def close(self) -> None:
        await self.turns.close()


def settle(requests: Sequence[Waiting], error: Unavailable | None) -> None:
    for request in requests:
        request.settle(error)

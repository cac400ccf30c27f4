"""From the spool to Redis, in the order in which it came, once Redis takes events again."""

from collections.abc import Iterable, Iterator

from ingestion.delivery.records import Record, records_from
from ingestion.delivery.spool import Home, Kept
from shared.queue.event_queue import EventQueue

# Of one call: Redis does nothing else meanwhile.
CALL_EVENTS = 1000
CALL_BYTES = 512 * 1024


class Call:
    """Records of consecutive places of one stream."""

    def __init__(self, first: Record) -> None:
        self.records: list[Record] = []
        self.events = self.bytes = 0
        self.add(first)

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.events += len(record.events)
        self.bytes += size_of(record)

    def takes(self, record: Record) -> bool:
        last = self.records[-1].place
        return (
            record.place == (last.stream, last.number + 1)
            and self.events + len(record.events) <= CALL_EVENTS
            and self.bytes + size_of(record) <= CALL_BYTES
        )


def replay(home: Home, queue: EventQueue) -> bool:
    """Push what its closed files hold, and remove them; whether all of it is done. False says that
    too much waits in Redis already. Raises NotTaken, and OSError."""
    return all(replay_file(home, kept, queue) for kept in list(home.closed))


def replay_file(home: Home, kept: Kept, queue: EventQueue) -> bool:
    records = (record for _, record in records_from(kept.path.read_bytes()))
    for call in calls_of(records):
        requests = [record.events for record in call.records]
        if not queue.push_again(requests, call.records[0].place):
            return False
    home.done_with(kept)
    return True


def calls_of(records: Iterable[Record]) -> Iterator[Call]:
    call: Call | None = None
    for record in records:
        if call is not None and call.takes(record):
            call.add(record)
            continue
        if call is not None:
            yield call
        call = Call(record)
    if call is not None:
        yield call


def size_of(record: Record) -> int:
    return sum(map(len, record.events))

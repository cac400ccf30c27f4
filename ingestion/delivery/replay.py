"""From the spool to Redis, in the order in which it came, once Redis takes events again."""

from collections.abc import Callable, Iterable, Iterator

from ingestion.delivery.home import Home, Kept
from ingestion.delivery.records import Record, records_from
from shared.queue.event_queue import EventQueue

# Of one call: Redis does nothing else meanwhile.
CALL_EVENTS = 1000
CALL_BYTES = 512 * 1024


class Call:
    """Records of consecutive places of one stream."""

    def __init__(self, record: Record, end: int) -> None:
        self.records = [record]
        # Where the last of them ends in its file.
        self.end = end
        self.events = len(record.events)
        self.bytes = sum(map(len, record.events))

    def takes(self, record: Record, end: int) -> bool:
        """Whether the record belongs to it, and then it does."""
        last = self.records[-1].place
        events, size = len(record.events), sum(map(len, record.events))
        if (
            record.place != (last.stream, last.number + 1)
            or self.events + events > CALL_EVENTS
            or self.bytes + size > CALL_BYTES
        ):
            return False
        self.records.append(record)
        self.end = end
        self.events += events
        self.bytes += size
        return True


def replay(home: Home, queue: EventQueue, is_stopping: Callable[[], bool]) -> bool:
    """Push what its closed files hold, and remove them; whether all of it is done. False says that
    too much waits in Redis already, or that there is no time. Raises NotTaken, and OSError."""
    return all(not is_stopping() and replay_file(home, kept, queue) for kept in list(home.closed))


def replay_file(home: Home, kept: Kept, queue: EventQueue) -> bool:
    # Beyond its bytes may stand what could not be kept, and not be taken back either.
    data = kept.path.read_bytes()[: kept.bytes]
    for call in calls_of(records_from(data, kept.pushed)):
        requests = [record.events for record in call.records]
        if not queue.push_again(requests, call.records[0].place):
            return False
        kept = home.have_pushed(kept, call.end, call.events)
    home.done_with(kept)
    return True


def calls_of(records: Iterable[tuple[int, Record | None]]) -> Iterator[Call]:
    call: Call | None = None
    for end, record in records:
        if record is None or (call is not None and call.takes(record, end)):
            continue
        if call is not None:
            yield call
        call = Call(record, end)
    if call is not None:
        yield call

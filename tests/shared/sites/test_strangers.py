"""How many sites there may be that nobody has registered."""

import threading

from shared.clock import DAY_MS
from shared.queue.event_queue import EventQueue
from shared.sites import strangers as module
from shared.sites.strangers import Strangers
from tests.conftest import MakeQueue
from tests.events import NOW


def test_until_they_are_counted_all_are_taken(queue: EventQueue) -> None:
    strangers = Strangers(queue, 1)
    assert strangers.admit(["a", "b", "c"]) == []
    assert strangers.counted() is None
    strangers.enter(["d"], NOW, "1-2-3")
    assert (strangers.counted(), strangers.count()) == ((NOW, "1-2-3"), 4)
    assert strangers.admit(["a", "d", "ä", "e"]) == ["ä", "e"]


def test_never_more_come_in_than_there_may_be(make_queue: MakeQueue) -> None:
    strangers = [Strangers(make_queue(), 500) for _ in range(4)]
    strangers[0].enter([], NOW)
    refused: list[list[str]] = [[] for _ in strangers]

    def come(number: int) -> None:
        for first in range(0, 400, 10):
            names = [f"{number}-{n}" for n in range(first, first + 10)]
            refused[number] += strangers[number].admit(names)

    threads = [threading.Thread(target=come, args=(number,)) for number in range(len(strangers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert strangers[0].count() == 500
    assert sum(map(len, refused)) == 4 * 400 - 500


def test_who_has_no_events_for_a_day_leaves_room(queue: EventQueue) -> None:
    strangers = Strangers(queue, 2)
    strangers.enter(["old", "kept"], NOW)
    strangers.enter(["kept"], NOW + DAY_MS)
    assert list(strangers.old_ones(NOW + DAY_MS - 1)) == []
    old = list(strangers.old_ones(NOW + DAY_MS))
    assert old == ["old"]
    strangers.leave(old)
    assert strangers.admit(["new", "newer"]) == ["newer"]


def test_very_many_are_named_at_once(queue: EventQueue) -> None:
    strangers = Strangers(queue, 10)
    names = [str(number) for number in range(3 * module.CHUNK + 1)]
    strangers.enter(names, NOW)
    assert strangers.count() == len(names)
    assert strangers.admit(names) == []
    assert strangers.admit([f"n{name}" for name in names]) == [f"n{name}" for name in names]
    strangers.leave(names)
    assert strangers.count() == 0
    strangers.count_again()
    assert strangers.admit(["n0"]) == []

"""A process that dies at any statement that it sends to a database, or just before it commits."""

from collections.abc import Callable

from sqlalchemy import Engine, event

MOMENTS = ("before_cursor_execute", "commit")


def steps_of(work: Callable[[], object]) -> int:
    """Do the work; returns at how many moments it might have been killed."""
    return do(work, 0)


def is_killed(work: Callable[[], object], step: int) -> bool:
    """Do the work and die at this step, counted from one; False where it comes to its end first."""
    try:
        do(work, step)
    except KeyboardInterrupt:
        return True
    return False


def do(work: Callable[[], object], last: int) -> int:
    seen = 0

    def look(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == last:
            raise KeyboardInterrupt

    for moment in MOMENTS:
        event.listen(Engine, moment, look)
    try:
        work()
    finally:
        for moment in MOMENTS:
            event.remove(Engine, moment, look)
    return seen

"""Whether merging keeps pace: events come at the rate that the workers bear, for a minute, and what
is not merged yet must not grow.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.against.storing import Servers
from bench.against.versions import Version
from bench.pipeline.loads import MARIADB, SITES_TWO
from bench.pipeline.running import Pipeline
from bench.pipeline.traffic import Traffic, payloads
from bench.report import as_markdown
from shared.clock import now_ms

LOOK_SECONDS = 1.0
TELL_SECONDS = 10
PUSH_SECONDS = 0.05
HEADS = ("after", "queued events", "unmerged rows", "unmerged events")


class Moment(NamedTuple):
    seconds: float
    queued: int
    rows: int
    events: int


def measure_pace(servers: Servers, version: Version, per_second: int, seconds: int) -> list[Moment]:
    """One moment a second; all that came is stored in the end."""
    span = seconds * 1000
    traffic = Traffic(per_second * seconds, now_ms() - span, span, SITES_TWO.sites)
    made = list(payloads(traffic))
    with (
        servers.empty(MARIADB) as environment,
        Pipeline(version, servers, environment, SITES_TWO.workers) as pipeline,
    ):
        moments = list(push_evenly(pipeline, made, per_second))
        pipeline.wait_until_done(len(made), time.perf_counter(), lambda: None)
        pipeline.require(len(made))
    return moments


def push_evenly(pipeline: Pipeline, made: Sequence[bytes], per_second: int) -> Iterator[Moment]:
    """Push so many a second, and see what there is meanwhile."""
    started, pushed, looked = time.perf_counter(), 0, 0
    while pushed < len(made):
        time.sleep(PUSH_SECONDS)
        elapsed = time.perf_counter() - started
        due = min(int(elapsed * per_second), len(made))
        if due > pushed:
            pipeline.queue.push(list(made[pushed:due]))
        pushed = due
        if elapsed >= (looked + 1) * LOOK_SECONDS:
            looked += 1
            pipeline.check()
            yield Moment(elapsed, pipeline.rest.queued(), *pipeline.rest.unmerged())


def growth(moments: Sequence[Moment]) -> float:
    """Unmerged rows in the last third of the time, as a multiple of those in the middle one."""
    third = len(moments) // 3
    middle, last = moments[third : 2 * third], moments[-third:]
    before, after = (statistics.mean(at.rows for at in part) for part in (middle, last))
    return after / max(before, 1)


def pace_table(moments: Sequence[Moment]) -> str:
    """The last moment of each ten seconds."""
    told = [
        at
        for at, after in zip(moments, [*moments[1:], None], strict=True)
        if after is None or after.seconds // TELL_SECONDS > at.seconds // TELL_SECONDS
    ]
    rows = [
        (f"{at.seconds:.0f} s", f"{at.queued:,}", f"{at.rows:,}", f"{at.events:,}") for at in told
    ]
    return as_markdown(HEADS, rows)

"""`python -m bench.cardinality`: what very many different values of one site and day cost.

The same 400,000 events, first as they usually are, then each with a path of its own, then of
200,000 types, then with 10,000 names of properties, each into an empty MariaDB as
docker-compose.yml has it, through one worker and the periodic process. Of each: the rate, CPU time
and disk of an event, the peak memory of both, and what the questions that list values take, the
first time and again.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from bench.against.compare import one_directory
from bench.against.programs import Program
from bench.against.storing import Servers
from bench.against.versions import THIS
from bench.dear.__main__ import Asked, Reporting
from bench.pipeline.disk import table_bytes
from bench.pipeline.loads import MARIADB
from bench.pipeline.run import compose_options
from bench.pipeline.running import Drained, Pipeline
from bench.pipeline.traffic import Traffic, make_traffic, site_name
from bench.report import as_markdown, note, save
from shared.clock import DAY_MS, now_ms
from shared.event import Event, encode_event
from tests.servers import MariaDbServer, ValkeyServer

EVENTS = 400_000
TYPES, NAMES = 200_000, 10_000
MIB = 1024 * 1024
QUESTIONS = (
    "/stats?site_id={site}&date={day}",
    "/stats?site_id={site}&date={day}&limit=1000",
    "/stats/breakdown?site_id={site}&date={day}&dimension=path&limit=1000",
    "/stats/breakdown?site_id={site}&date={day}&dimension=path&country=DE",
    "/stats/timeseries?site_id={site}&date={day}&interval=hour",
    "/analytics?lookback=7",
)


def usual(event: Event, number: int) -> Event:
    del number
    return event


def paths(event: Event, number: int) -> Event:
    return replace(event, path=f"{event.path}/{number:x}")


def types(event: Event, number: int) -> Event:
    return replace(event, event_type=f"type-{number % TYPES:x}")


def names(event: Event, number: int) -> Event:
    return replace(event, properties={f"name-{number % NAMES:x}": "value"})


SHAPES: dict[str, Callable[[Event, int], Event]] = {
    "as usual": usual,
    "a path each": paths,
    f"{TYPES:,} types": types,
    f"{NAMES:,} names of properties": names,
}


class Measured(NamedTuple):
    """What a shape cost. Memory is the peak of each, in bytes; each question was asked twice."""

    drained: Drained
    tables: dict[str, int]
    worker: int
    periodic: int
    asked: list[tuple[Asked, Asked]]


def events_of(shape: str, traffic: Traffic) -> Iterator[bytes]:
    change = SHAPES[shape]
    for number, event in enumerate(make_traffic(traffic)):
        yield encode_event(change(event, number))


def measure(servers: Servers, shape: str, traffic: Traffic) -> Measured:
    with (
        servers.empty(MARIADB) as environment,
        Pipeline(THIS, servers, environment) as pipeline,
        Program(THIS, "reporting", environment | {"REPORTING_PROCESSES": 1}) as program,
    ):
        drained = pipeline.drain(events_of(shape, traffic))
        pipeline.make_segments()
        reporting = Reporting(program)
        day = datetime.fromtimestamp(traffic.start / 1000, UTC).date()
        questions = [one.format(site=site_name(0), day=day) for one in QUESTIONS]
        asked = [(reporting.ask(one), reporting.ask(one)) for one in questions]
        return Measured(
            drained,
            table_bytes(servers.mariadb, str(environment["DATABASE_URL"])),
            Reporting(pipeline.workers[0]).memory("VmHWM"),
            Reporting(pipeline.periodic).memory("VmHWM"),
            asked,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    given = parser.parse_args()
    yesterday = now_ms() // DAY_MS * DAY_MS - DAY_MS
    traffic = Traffic(given.events, yesterday, DAY_MS)
    found: dict[str, Measured] = {}
    with ExitStack() as stack:
        stack.enter_context(one_directory())
        valkey = stack.enter_context(ValkeyServer({"appendfsync": "always"}))
        mariadb = stack.enter_context(MariaDbServer(options=compose_options()))
        for shape in SHAPES:
            note(shape)
            found[shape] = measure(Servers(valkey, mariadb), shape, traffic)
    print(costs_table(found), answers_table(found), sep="\n\n")
    save("cardinality", traffic, tables={shape: one.tables for shape, one in found.items()})


def costs_table(found: dict[str, Measured]) -> str:
    heads = ("events", "events/s", "CPU µs an event", "bytes an event", "worker", "periodic")
    rows = [
        [
            shape,
            f"{one.drained.per_second:,.0f}",
            f"{one.drained.cpu_us:.0f}",
            f"{sum(one.tables.values()) / one.drained.events:,.0f}",
            f"{one.worker / MIB:,.0f} MiB",
            f"{one.periodic / MIB:,.0f} MiB",
        ]
        for shape, one in found.items()
    ]
    return as_markdown(heads, rows)


def answers_table(found: dict[str, Measured]) -> str:
    """The first answer and the next one in ms, what it added to memory, and how long it is."""
    rows = [
        [
            question.partition("?")[0] + question.partition("{day}")[2],
            *(told(one.asked[place]) for one in found.values()),
        ]
        for place, question in enumerate(QUESTIONS)
    ]
    return as_markdown(("question", *found), rows)


def told(asked: tuple[Asked, Asked]) -> str:
    first, again = asked
    status = "" if first.status == again.status == 200 else f" ({first.status}, {again.status})"
    grown = max(first.grown_bytes, again.grown_bytes) / MIB
    return (
        f"{first.ms:,.0f}, {again.ms:,.0f} ms; {grown:,.0f} MiB; "
        f"{again.answer_bytes / 1000:,.0f} kB{status}"
    )


if __name__ == "__main__":
    main()

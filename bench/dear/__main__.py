"""`python -m bench.dear`: a search for the dearest legal question.

Sites of every shape are stored in one database; then a seeded generator asks what the OpenAPI
document allows, of all routes, one at a time. The ten that took longest are printed, and the one of
each route, with the memory that reporting took more for them; these are asked once more. None may
take 2 seconds.
"""

import argparse
import http.client
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.dear.questions import make_questions
from bench.dear.shapes import Shapes, shapes_of, write_shapes
from bench.report import Bar, as_json, as_markdown, note, print_bars, save
from shared.clock import DAY_MS, now_ms
from shared.settings import Settings
from tests.servers import MariaDbServer, ServiceProcess, ValkeyServer

BUFFER_POOL = "1G"
EVENTS, QUESTIONS = 5_000_000, 1_000
SHOWN = 10
BAR_MS = 2000
# A question that is still not answered then has not been stopped.
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Asked:
    """A question, its answer's status, and what it took; `again_ms` where it was asked twice."""

    question: str
    status: int
    ms: float
    grown_bytes: int
    answer_bytes: int
    again_ms: float = 0

    @property
    def route(self) -> str:
        """What of the path no name is in."""
        return "/".join(self.question.partition("?")[0].split("/")[:3])


class Reporting:
    """A reporting process that is asked one question at a time."""

    def __init__(self, service: ServiceProcess) -> None:
        assert service.process is not None
        self.address = urlsplit(service.url)
        parent = psutil.Process(service.process.pid)
        self.processes = [parent, *parent.children(recursive=True)]

    def ask(self, question: str) -> Asked:
        for process in self.processes:  # from here on its peak is of this question
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        before = self.memory("VmRSS")
        started = time.perf_counter()
        connection = http.client.HTTPConnection(
            self.address.hostname or "", self.address.port, timeout=PATIENCE_SECONDS
        )
        connection.request("GET", question)
        answer = connection.getresponse()
        body = answer.read()
        ms = 1000 * (time.perf_counter() - started)
        connection.close()
        return Asked(question, answer.status, ms, self.memory("VmHWM") - before, len(body))

    def memory(self, name: str) -> int:
        """Of all its processes, in bytes."""
        return sum(
            1024 * int(line.split()[1])
            for process in self.processes
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith(f"{name}:")
        )


def measure(
    settings: Settings, valkey: ValkeyServer, shapes: Shapes, questions: Sequence[str]
) -> list[Asked]:
    """Each question's first answer, those that took longest first; what is shown is asked again."""
    started = time.perf_counter()
    write_shapes(settings, shapes)
    note(f"{shapes.events:,} events and the other shapes in {time.perf_counter() - started:.0f} s")
    given = {"DATABASE_URL": settings.database_address, "REDIS_URL": valkey.url}
    with ServiceProcess("reporting", given | {"REPORTING_PROCESSES": 1}) as service:
        reporting = Reporting(service)
        found = [reporting.ask(question) for question in questions]
        found.sort(key=lambda asked: -asked.ms)
        shown = dearest_of(found)
        return [
            replace(one, again_ms=reporting.ask(one.question).ms) if one in shown else one
            for one in found
        ]


def dearest_of(found: Sequence[Asked]) -> list[Asked]:
    """The first ones, and the first of each route."""
    first: dict[str, Asked] = {}
    for one in found:
        first.setdefault(one.route, one)
    return [*found[:SHOWN], *(one for one in first.values() if one not in found[:SHOWN])]


def table_of(dearest: Sequence[Asked]) -> str:
    rows = [
        (
            f"`{one.question}`",
            f"{one.status}",
            f"{one.ms:,.0f}",
            f"{one.again_ms:,.0f}",
            f"{one.grown_bytes / 2**20:,.0f}",
            f"{one.answer_bytes / 1024:,.0f}",
        )
        for one in dearest
    ]
    return as_markdown(("question", "status", "ms", "again", "MiB more", "kB answered"), rows)


def bars_of(found: Sequence[Asked]) -> list[Bar]:
    statuses = Counter(asked.status for asked in found)
    return [
        Bar("questions that were answered (200)", statuses[200], f">= {len(found) // 2}"),
        Bar("refused as they are put (400)", statuses[400] + statuses[404], ""),
        Bar("with another status", len(found) - sum(statuses[s] for s in (200, 400, 404)), "< 1"),
        Bar("the dearest, ms", found[0].ms, f"< {BAR_MS}"),
        Bar("the most memory, MiB", max(asked.grown_bytes for asked in found) / 2**20, ""),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dear", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="mariadb")
    parser.add_argument("--events", type=int, default=EVENTS, help="of the ordinary site")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shapes = shapes_of(arguments.events, now_ms() // DAY_MS * DAY_MS - DAY_MS)
    questions = make_questions(shapes, arguments.seed, arguments.questions)
    with ExitStack() as stack:
        here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ff-")))
        settings = Settings(data_dir=here, database_url=f"sqlite:///{here}/footfall.db")
        if arguments.database == "mariadb":
            if not MariaDbServer.is_installed():
                sys.exit(MariaDbServer.advice)
            server = stack.enter_context(MariaDbServer(BUFFER_POOL))
            settings = replace(settings, database_url=server.create_database())
        valkey = stack.enter_context(ValkeyServer())
        found = measure(settings, valkey, shapes, questions)
    shown = dearest_of(found)
    print(table_of(shown), end="\n\n")
    bars = bars_of(found)
    print_bars(bars)
    dearest = [asdict(one) for one in shown]
    save(f"dear-{arguments.database}", shapes, figures=as_json(bars), dearest=dearest)
    return 0 if all(bar.is_met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())

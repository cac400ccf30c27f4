"""`footfall load` as a process: it ends with accepted = stored, whatever happens meanwhile."""

import http.server
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.footfall.load.conftest import Start, ended, settings_of
from tests.servers import free_port, wait_until
from tests.stack import Stack

COUNT = re.compile(r"^ +([0-9,]+) (accepted|stored|dropped|duplicates|events sent again)", re.M)


def counts(output: str) -> Counter[str]:
    """The summary's numbers; of drops all reasons together."""
    found: Counter[str] = Counter()
    for number, what in COUNT.findall(output):
        found[what] += int(number.replace(",", ""))
    return found


@pytest.mark.parametrize("arguments", [(), ("--batch", "100"), ("--bots", "10%", "--batch", "7")])
def test_it_ends_with_accepted_equal_to_stored(
    start: Start, stack: Stack, arguments: tuple[str, ...]
) -> None:
    process = start("--rate", "200", "--duration", "3", *arguments, **settings_of(stack))
    status, output, errors = ended(process)
    assert (status, errors) == (0, "")
    found = counts(output)
    assert found["accepted"] == 600
    assert found["stored"] + found["dropped"] == 600
    assert re.search(r"^accepted = stored", output, re.M)


def test_each_run_has_a_site_of_its_own_and_ids_of_its_own(start: Start, stack: Stack) -> None:
    for _ in range(2):
        ended(start("--rate", "50", "--duration", "1", **settings_of(stack)))
    for _ in range(2):
        run = start("--rate", "50", "--duration", "1", "--site", "ours", **settings_of(stack))
        assert counts(ended(run)[1])["stored"] == 50
    totals = [site["total_events"] for site in stack.reports().get("/sites")[1]["sites"]]
    assert sorted(totals) == [50, 50, 100]


def test_ingestion_killed_and_started_again_costs_nothing(start: Start, stack: Stack) -> None:
    process = start("--rate", "200", "--duration", "4", **settings_of(stack))
    wait_until(lambda: stack.status()["accepted"] > 100)
    stack.ingestion.kill()
    stack.ingestion.start()
    status, output, _ = ended(process)
    assert status == 0, output
    found = counts(output)
    assert found["accepted"] == found["stored"] == 800
    assert found["events sent again"] > 0
    assert "accepted = stored" in output


def test_what_is_deleted_behind_its_back_is_missed(start: Start, stack: Stack) -> None:
    """The comparison is one: with a worker that stores nothing it fails."""
    for worker in stack.workers:
        worker.kill()
    process = start("--rate", "50", "--duration", "1", **settings_of(stack))
    wait_until(lambda: stack.status()["queued"] == 50)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    status, output, _ = ended(process)
    assert status == 1
    assert "accepted != stored: 50 events are neither stored nor dropped nor dead" in output


def test_a_signal_ends_it_early_and_what_was_sent_is_compared(start: Start, stack: Stack) -> None:
    process = start("--rate", "100", "--duration", "60", **settings_of(stack))
    wait_until(lambda: stack.status()["accepted"] > 50)
    process.send_signal(signal.SIGINT)
    status, output, _ = ended(process)
    assert status == 0
    found = counts(output)
    assert 50 < found["accepted"] == found["stored"] < 6000


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server that is none of ours."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rate", "0"), "Invalid value for '--rate': 0 is not in the range"),
        (("--rate", "fast"), "Invalid value for '--rate': 'fast' is not a valid integer"),
        (("--bots", "200%"), "Invalid value for '--bots': must be like 1% or 0.01"),
        (("--bots", "some"), "Invalid value for '--bots': must be like 1% or 0.01"),
        (("--rate", "1000", "--users", "10"), "footfall: --users must be at least 200 at this"),
        (("--site", " "), "footfall: --site must have 1 to 255"),
        (("--rate", "100000", "--duration", "3600"), "footfall: --rate times --duration must be"),
        (("--url", "http://192.0.2.1"), "footfall: --url: 192.0.2.1 is another machine"),
        (("--page", "--url", "http://192.0.2.1"), "footfall: --url: 192.0.2.1 is another machine"),
        (("--url", "x"), "footfall: --url must be like http://127.0.0.1:8000"),
        (("--reporting-url", "x"), "footfall: --reporting-url must be like http://127.0.0.1:8000"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_status_2(
    start: Start, arguments: tuple[str, ...], sentence: str
) -> None:
    status, output, errors = ended(start(*arguments))
    assert (status, output) == (2, "")
    assert errors.splitlines()[-1].removeprefix("Error: ").startswith(sentence)


def test_without_reporting_nothing_is_sent(start: Start) -> None:
    status, _, errors = ended(start(REPORTING_PORT=str(free_port())))
    assert status == 2
    assert errors.startswith("footfall: --reporting-url: reporting, which a run is checked against")


def test_a_stranger_in_reportings_place_is_told(start: Start, stranger: int) -> None:
    status, _, errors = ended(start(REPORTING_PORT=str(stranger)))
    assert status == 2
    assert "answered 404" in errors

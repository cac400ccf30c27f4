"""A thousand sites with settings, one of them changed while events come: in force within seconds,
in each process, and no request lost."""

import threading
import time
from collections import Counter
from typing import Any

import pytest

from shared.queue.event_queue import EventQueue
from shared.sites.published import PublishedSites
from shared.sites.settings import settings_from
from tests.ingestion.wsgi import queued
from tests.servers import ServiceProcess
from tests.stack import Client

SITES = 1000
POSTERS = 3
IN_FORCE_SECONDS = 5.0
AFTER_SECONDS = 1.0
CHANGED = "site-7.example"


def sites(excluded_user: str) -> dict[str, dict[str, Any]]:
    given = {
        "hosts": ["*.example"],
        "excluded_paths": ["/admin/*", "/intern/*/edit"],
        "kept_parameters": ["p"],
    }
    return {
        f"site-{number}.example": given
        | {"aliases": [str(number)], "excluded_users": [excluded_user] if number == 7 else []}
        for number in range(SITES)
    }


def publish(queue: EventQueue, excluded_user: str) -> None:
    published = PublishedSites(queue)
    settings = {name: settings_from(given) for name, given in sites(excluded_user).items()}
    assert published.replace(published.fetch_state()[0], excluded_user, settings)


class Poster:
    """Posts one event after the other, and keeps what each was answered, and when."""

    def __init__(self, url: str, number: int) -> None:
        self.url, self.number = url, number
        self.answers: list[tuple[float, int, str]] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        client = Client(self.url)
        sent = 0
        while not self.stopping.is_set():
            name = CHANGED if sent % 2 else str((sent * POSTERS + self.number) % SITES)
            event = {"site_id": name, "event_type": "page_view", "path": "/?p=1", "user_id": "ann"}
            began = time.monotonic()
            status, answer = client.post(event)
            said = answer["status"] if name in {CHANGED, "7"} else "other"
            self.answers.append((began, status, said))
            sent += 1
        client.connection.close()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_a_change_is_in_force_within_seconds(queue: EventQueue, server: str) -> None:
    publish(queue, "nobody")
    given = {"REDIS_URL": queue.url, "INGESTION_SERVER": server, "INGESTION_PROCESSES": 2}
    with ServiceProcess("ingestion", given) as service:
        posters = [Poster(service.url, number) for number in range(POSTERS)]
        try:
            time.sleep(AFTER_SECONDS)
            publish(queue, "ann")
            changed_at = time.monotonic()
            time.sleep(IN_FORCE_SECONDS + AFTER_SECONDS)
        finally:
            for poster in posters:
                poster.stop()
    answers = [answer for poster in posters for answer in poster.answers]
    assert {status for _, status, _ in answers} == {202}
    before = [said for began, _, said in answers if began < changed_at and said != "other"]
    after = [said for began, _, said in answers if began > changed_at + IN_FORCE_SECONDS]
    assert set(before) == {"accepted"}
    assert set(after) == {"dropped", "other"}
    dropped = Counter(said for _, _, said in answers)["dropped"]
    events = queued(queue)
    assert len(events) == len(answers) - dropped
    assert {event.path for event in events} == {"/?p=1"}
    assert {event.site_id for event in events} <= sites("ann").keys()

"""A client that posts events without pause, and notes what became of each."""

import json
import random
import threading
import time
from http.client import HTTPException
from typing import Any

from tests.stack import Client

AGAIN_SECONDS = 0.05


class Poster(threading.Thread):
    """Posts events with ids of their own and notes which were accepted, until told to stop."""

    def __init__(self, client: Client, name: str, *, keyed: bool) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.label = name
        self.keyed = keyed
        self.accepted: list[str] = []
        self.unanswered: list[str] = []
        self.refused = 0
        # Answers that are neither 202 nor 503.
        self.wrong: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        random_ = random.Random(self.label)
        number = 0
        while not self.done.is_set():
            ids = [f"{self.label}-{number + i}" for i in range(random_.choice([1, 1, 5, 50]))]
            number += len(ids)
            self.post(ids)

    def post(self, ids: list[str]) -> None:
        """One request; with keyed events it is repeated until it is answered, as clients should."""
        body = json.dumps([self.event(event_id) for event_id in ids]).encode()
        while not self.done.is_set() or self.keyed:
            try:
                status, answer = self.client.post(body)
            except (OSError, HTTPException, ValueError):
                if not self.keyed:
                    self.unanswered += ids
                    return
                time.sleep(AGAIN_SECONDS)
                continue
            if status == 202:
                self.accepted += ids
                return
            if status != 503:
                self.wrong.append(f"{status} {answer}")
                return
            self.refused += 1
            if not self.keyed:
                self.unanswered += ids
                return
            time.sleep(AGAIN_SECONDS)

    def event(self, event_id: str) -> dict[str, Any]:
        fields = {"site_id": "s", "event_type": "page_view", "user_id": event_id}
        return fields | ({"event_id": event_id} if self.keyed else {})

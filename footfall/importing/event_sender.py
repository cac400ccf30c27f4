"""Posts events to ingestion over one connection, and waits for as long as it is away.

A request is repeated until it is answered, so its events need ids of their own: whether a lost
answer was a yes or a no, they count once.
"""

import http.client
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

import msgspec

from footfall.importing.errors import CannotImport
from footfall.importing.stopping import Stopping

# Ingestion itself answers within a second; a proxy before it may take longer.
TIMEOUT_SECONDS = 30
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
# What a Retry-After may ask for.
MOST_RETRY_AFTER_SECONDS = 300
# A body that was too slow; too many requests; a full backlog; and what a proxy says of an ingestion
# that is away.
PASSING = frozenset({408, 429, 502, 503, 504})
SECONDS = re.compile(r"[0-9]{1,9}")
# To be followed by `/events`; a key in it would be shown and saved with it.
URL = re.compile(r"https?://(?:[!-~](?<![?#@]))+")


class Rejection(msgspec.Struct):
    """An event that ingestion refused, by its index in the request."""

    index: int
    error: str


class Answer(msgspec.Struct):
    """What became of a request's events."""

    accepted: int
    rejected: list[Rejection] = []


class Refusal(msgspec.Struct):
    """Ingestion's answer to a request that it refused as a whole."""

    error: str
    rejected: list[Rejection] = []


class Passing(Exception):
    """No answer for now; `seconds` is what the server asked for, 0 if it did not."""

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        # It may be a date, too; no server of ours writes one.
        found = SECONDS.fullmatch(retry_after or "")
        self.seconds = min(int(found[0]), MOST_RETRY_AFTER_SECONDS) if found else 0


class Sender:
    """A client of the ingestion at `url`; the key may be empty."""

    def __init__(self, url: str, key: str, stopping: Stopping, say: Callable[[str], None]) -> None:
        self.url = url
        self.stopping = stopping
        self.say = say
        parts = checked(url)
        self.path = f"{parts.path.rstrip('/')}/events"
        self.headers = {"Content-Type": "application/json"}
        if key:
            self.headers["Authorization"] = f"Bearer {key}"
        self.connection = connection_to(parts)

    def post(self, events: Sequence[bytes]) -> Answer | None:
        """What became of the encoded events; None if told to stop while waiting for an answer.

        Raises CannotImport where no waiting would help.
        """
        body = b"[" + b",".join(events) + b"]"
        has_waited = False
        for pause in pauses():
            try:
                status, answer = self.attempt(body)
            except Passing as error:
                if not has_waited:  # once an outage, not once a second
                    self.say(f"{error}; waiting until it takes events")
                has_waited = True
                self.stopping.wait(error.seconds or pause)
                if self.stopping.stop_requested:
                    break
                continue
            if has_waited:
                self.say(f"{self.url} takes events again")
            return self.answer_from(status, answer, len(events))
        return None

    def attempt(self, body: bytes) -> tuple[int, bytes]:
        try:
            self.connection.request("POST", self.path, body, self.headers)
            response = self.connection.getresponse()
            answer = response.read()
        except ssl.SSLError as error:
            raise CannotImport(f"{self.url} cannot be used with TLS: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()  # the next request opens it anew
            raise Passing(f"{self.url} cannot be reached ({error})") from error
        if response.status in PASSING:
            reason = f"{self.url} answered {response.status} {reason_in(answer)}".rstrip()
            raise Passing(reason, response.headers["Retry-After"])
        return response.status, answer

    def answer_from(self, status: int, body: bytes, number: int) -> Answer:
        if status == 401:
            raise CannotImport(
                f"{self.url} answered 401: set INGEST_AUTH to true and API_AUTH to its key"
            )
        try:
            answer = decoded(status, body, number)
        except msgspec.MsgspecError:
            answer = None
        if answer is None or not is_of(answer, number):
            raise CannotImport(
                f"{self.url} answered {status}, and not as ingestion does; check --url, "
                "and what is between here and there"
            )
        return answer

    def close(self) -> None:
        self.connection.close()


def decoded(status: int, body: bytes, number: int) -> Answer | None:
    """An answer of ingestion's; None for a status that it does not give to such a request."""
    if status == 202:
        return msgspec.json.decode(body, type=Answer)
    if status != 400:
        return None
    refusal = msgspec.json.decode(body, type=Refusal)
    every = [Rejection(index, refusal.error) for index in range(number)]
    return Answer(0, refusal.rejected or every)


def is_of(answer: Answer, number: int) -> bool:
    """Whether it tells of so many events."""
    indices = {rejection.index for rejection in answer.rejected}
    return answer.accepted + len(indices) == number and indices <= set(range(number))


def reason_in(answer: bytes) -> str:
    """The sentence of an error answer, in brackets; a proxy's page has none."""
    try:
        return f"({msgspec.json.decode(answer, type=Refusal).error})"
    except msgspec.MsgspecError:
        return ""


def pauses() -> Iterator[float]:
    seconds = FIRST_PAUSE_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * 2, LONGEST_PAUSE_SECONDS)


def checked(url: str) -> SplitResult:
    """The parts of `--url`. Raises CannotImport."""
    try:
        parts = urlsplit(url)
        if URL.fullmatch(url) and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a port that is none
        pass
    raise CannotImport("--url must be like http://127.0.0.1:8000, without user, ? and #")


def connection_to(parts: SplitResult) -> http.client.HTTPConnection:
    assert parts.hostname
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)

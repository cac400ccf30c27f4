"""The two kinds of fault, and who has to act.

FootfallError
├── InvalidInput   the caller's fault: answered 4xx, never retried
├── BadSetting     the operator's fault: named at start, exit status 2
├── Unavailable    ours and passing: answered 503 + Retry-After, or the batch is retried
├── PoisonEvent    ours and permanent: the event is parked as a dead letter
├── TooLong        ours and permanent: what a site has come to is longer than the database takes
└── BatchHalted    too much of one batch is poison: a bad deploy, not bad data
"""


class FootfallError(Exception):
    """Root of every fault Footfall raises on purpose."""


class InvalidInput(FootfallError):
    """The caller sent something that can never be accepted.

    `code` is stable and for programs, `message` is a sentence for people, `field` names the
    offending field where one is to blame, `status` is the HTTP status to answer with. `site_id` is
    whose event it is, once somebody has read that; `named` is what it said, also where there is no
    such site.
    """

    def __init__(
        self, code: str, message: str, *, field: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.status = status
        self.site_id = self.named = ""


class BadSetting(FootfallError):
    """One or more settings cannot be used; the message has a line for each."""


class Unavailable(FootfallError):
    """A dependency is away for now; trying again in `retry_after_seconds` may succeed."""

    status = 503

    def __init__(self, code: str, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class PoisonEvent(FootfallError):
    """The database refuses this event for what it is; no retry will change that."""


class TooLong(FootfallError):
    """The database takes no value as long as this; the message says of what, and what to raise."""


class BatchHalted(FootfallError):
    """More of one batch is poison than bad data explains; the backlog is left as it is."""

"""What ingestion's answers mean for the events of a request."""

import msgspec

from footfall.importing import event_sender
from footfall.load.errors import CannotLoad
from footfall.load.sending.connection import Answer

# A body that was too slow; too many requests.
PASSING = (408, 429)


class Refusal(msgspec.Struct):
    """An answer that is an error; `code` is the same for the same reason."""

    code: str = ""


def accepted_of(answer: Answer, events: int) -> int | None:
    """How many of the events were accepted; None for a refusal that passes.

    Raises CannotLoad where sending more would be in vain.
    """
    if answer.status >= 500 or answer.status in PASSING:
        return None
    if answer.status == 202 and events == 1:
        return 1
    if answer.status == 401:
        raise CannotLoad("ingestion answered 401: set INGEST_AUTH to true and API_AUTH to its key")
    try:
        decoded = event_sender.decoded(answer.status, answer.body, events)
    except msgspec.MsgspecError:
        decoded = None
    if decoded is None or not event_sender.is_of(decoded, events):
        raise CannotLoad(f"--url answered {answer.status}, and not as ingestion does; check it")
    return decoded.accepted


def reason_in(answer: Answer) -> str:
    """Why it was refused: the status, and ingestion's code for it."""
    try:
        code = msgspec.json.decode(answer.body, type=Refusal).code
    except msgspec.MsgspecError:
        code = ""
    return f"{answer.status} {code}".rstrip()

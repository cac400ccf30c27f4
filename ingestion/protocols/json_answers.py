"""Answers in JSON: one event accepted or refused, or several, each bad one named by its index."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ingestion.protocols.protocol import Answer, Outcome, Refusal
from ingestion.reading.fetched_ahead import PREFETCH
from ingestion.sites.rules import EXCLUDED
from shared.errors import InvalidInput, Unavailable

JSON_HEADER = ("Content-Type", "application/json")

encode_json = msgspec.json.Encoder().encode


Code = Annotated[str, Meta(description="Stable, for programs.")]
Sentence = Annotated[str, Meta(description="A sentence for people.")]
Blamed = Annotated[str, Meta(description="What is to blame, where one thing is.")] | UnsetType


class Rejected(msgspec.Struct, frozen=True):
    """An event that was not accepted."""

    index: Annotated[int, Meta(ge=0)]
    code: Code
    error: Sentence
    field: Blamed = UNSET


RejectedOnes = Annotated[
    list[Rejected],
    Meta(description="The events that were not accepted, by their index in the request."),
]


class Accepted(msgspec.Struct, frozen=True, tag_field="status", tag="accepted"):
    """The events are kept. The counts are there when several were sent."""

    accepted: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    rejected: RejectedOnes | UnsetType = UNSET
    dropped: (
        Annotated[int, Meta(ge=1, description="Of which nothing is kept, if any.")] | UnsetType
    ) = UNSET


class Dropped(msgspec.Struct, frozen=True, tag_field="status", tag="dropped"):
    """Nothing is kept, and nothing is to be sent again: a browser fetched ahead, or the site's
    settings leave it out."""

    reason: Annotated[str, Meta(description="Why; stable, for programs.")]
    dropped: Annotated[int, Meta(ge=1)]
    accepted: Literal[0] = 0
    rejected: RejectedOnes | UnsetType = UNSET


class Refused(msgspec.Struct, frozen=True, tag_field="status", tag="error"):
    """An error; with counts and reasons where several events were sent."""

    code: Code
    error: Sentence
    field: Blamed = UNSET
    accepted: Literal[0] | UnsetType = UNSET
    rejected: RejectedOnes | UnsetType = UNSET


ONE_ACCEPTED = Answer(202, [JSON_HEADER], encode_json(Accepted()))
ONE_DROPPED = {
    reason: Answer(202, [JSON_HEADER], encode_json(Dropped(reason, 1)))
    for reason in (PREFETCH, EXCLUDED)
}


def answer_in_json(outcome: Outcome) -> Answer:
    if not outcome.is_batch:
        return ONE_DROPPED[outcome.dropped[0].reason] if outcome.dropped else ONE_ACCEPTED
    return Answer(outcome.status, [JSON_HEADER], encode_json(answer_to_batch(outcome)))


def answer_to_batch(outcome: Outcome) -> Accepted | Dropped | Refused:
    rejected = [
        Rejected(index, error.code, error.message, error.field or UNSET)
        for index, error in outcome.rejected
    ]
    if outcome.encoded:
        return Accepted(len(outcome.encoded), rejected, len(outcome.dropped) or UNSET)
    if outcome.dropped:
        return Dropped(outcome.dropped[0].reason, len(outcome.dropped), rejected=rejected)
    return Refused(rejected[0].code, "no event was accepted", accepted=0, rejected=rejected)


def refuse_in_json(error: Refusal) -> Answer:
    headers = [JSON_HEADER]
    if isinstance(error, Unavailable):
        headers.append(("Retry-After", str(error.retry_after_seconds)))
    return Answer(error.status, headers, encode_json(refused(error)))


def refused(error: Refusal) -> Refused:
    field = error.field if isinstance(error, InvalidInput) else None
    return Refused(error.code, error.message, field or UNSET)

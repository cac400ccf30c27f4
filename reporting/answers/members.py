"""What members of answers say of themselves in the API's description."""

from typing import Annotated

from msgspec import Meta


def about(description: str) -> Meta:
    return Meta(description=description)


def count(description: str) -> Meta:
    return Meta(description=description, ge=0)


def moment(description: str) -> Meta:
    """Of a text that `iso_from_ms` made."""
    return Meta(description=description, extra_json_schema={"format": "date-time"})


def seconds_since(moment: int | None, now: int) -> float | None:
    """Both in ms; None of none."""
    return None if moment is None else max(0, now - moment) / 1000


AsAsked = Annotated[str, about("As it was asked.")]
EventCount = Annotated[int, count("Events of all types.")]
ViewCount = Annotated[int, count("Events of type `page_view`.")]
NEXT_CURSOR = about("The `cursor` that asks for the next ones; left out where there are no more.")

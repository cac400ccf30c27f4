"""`GET /pixel.gif`: an event from an image, for pages without scripts and for mails.

It answers the image whatever comes: a page must not show a broken one for our sake. What became of
the event is in a header.
"""

from typing import Any
from urllib.parse import parse_qsl

import werkzeug.urls  # noqa: F401  # knows how to leave bytes encoded

from ingestion.protocols.described import CORS, SITE, TEXT, USERS, operation
from ingestion.protocols.posted import OTHER_NAMES
from ingestion.protocols.protocol import Answer, Outcome, Protocol, Refusal
from ingestion.reading.body import Payload
from ingestion.reading.fetched_ahead import PREFETCH
from ingestion.reading.request import Request, utf8_text
from ingestion.sites.rules import EXCLUDED
from ingestion.visitor.visitors import PARAMETER
from shared.fields import MAX_TEXT
from shared.http.openapi import header, query

IMAGE = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
MEDIA_TYPE = "image/gif"
# What is no UTF-8 stays as it was written, `%E9`: so two such pages remain two.
STILL_ENCODED = "werkzeug.url_quote"
PAGE_NAMES = OTHER_NAMES.own_names("path")


def read_query(request: Request) -> Payload:
    """The one event whose fields are the query's parameters, of each the first."""
    given: dict[str, str] = {}
    pairs = parse_qsl(utf8_text(request.query), keep_blank_values=True, errors=STILL_ENCODED)
    for name, value in pairs:
        given.setdefault(name, value)
    fields: dict[str, Any] = {k: v for k, v in given.items() if v and k != PARAMETER}
    page = (request.headers.get("referer") or "")[:MAX_TEXT]
    # The page that shows the image is what was viewed, unless the image says otherwise.
    if page and not fields.keys() & PAGE_NAMES:
        fields["path"] = page
    return Payload([fields], is_batch=False, may_hold_nul=True)


def image(outcome: str) -> Answer:
    headers = [("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store"), ("X-Footfall", outcome)]
    return Answer(200, headers, IMAGE)


ACCEPTED = image("accepted")
DROPPED = {reason: image(reason) for reason in (PREFETCH, EXCLUDED)}


def answer_with_image(outcome: Outcome) -> Answer:
    return DROPPED[outcome.dropped[0].reason] if outcome.dropped else ACCEPTED


def refuse_with_image(error: Refusal) -> Answer:
    return image(error.code)


HEADERS = {
    "Cache-Control": header("no-store", "Each view asks again."),
    "X-Footfall": header(
        "accepted", "`accepted`, `prefetch`, `excluded`, or the code of the error."
    ),
}
PARAMETERS = [
    query("site_id", TEXT, "Whose event it is.", example=SITE),
    query("event_type", TEXT, "What happened.", example="page_view"),
    query("path", TEXT, "The page; without it, that of the `Referer` header.", example="/pricing"),
    USERS,
]
SHOWN = {
    "description": "A transparent image of 43 bytes, never cached.",
    "headers": CORS | HEADERS,
    "content": {MEDIA_TYPE: {}},
}

PIXEL = Protocol(
    name="pixel",
    method="GET",
    paths=("/pixel.gif",),
    read=read_query,
    answer=answer_with_image,
    refuse=refuse_with_image,
    # A HEAD is a link checker's or a proxy's.
    head=image("not_counted"),
    aliases=OTHER_NAMES,
    openapi=operation(
        "Post an event with an image",
        "For pages without scripts and for mails: "
        '`<img src="…/pixel.gif?site_id=…&event_type=page_view" alt="">`. Every field and other '
        "name of an event may be a query parameter, except `properties`; unknown parameters become "
        "properties. The answer is always the image, whatever became of the event: also where "
        "`INGEST_AUTH` asks for a key and none or a wrong one is given, and nothing is counted. "
        "Neither is what a browser fetches ahead (`Sec-Purpose: prefetch`).",
        {"200": SHOWN},
        parameters=PARAMETERS,
    ),
)

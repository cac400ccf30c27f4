"""The calls of an admin, and how Flask serves them."""

from collections.abc import Callable, Sequence

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from reporting.admin import keys, sites
from reporting.admin.call import Asking, Call
from reporting.admin.desk import Desk
from reporting.ask.parameter import asked_from
from reporting.http.book import Book
from reporting.http.seats import Seats
from shared.errors import InvalidInput
from shared.http.openapi import JSON_TYPE
from shared.keys.keys import all_sites

ADMIN = "/admin/"
CALLS: tuple[Call, ...] = (*sites.CALLS, *keys.CALLS)
# All lists of a site, each as long as it may be.
MOST_BYTES = 2 << 20

TOO_LARGE = f"the body must have at most {MOST_BYTES:,} bytes"
NOT_JSON = "send the body as Content-Type: application/json"


def is_admin(path: str) -> bool:
    """Whether it takes an admin, also where it is no route."""
    return path.startswith(ADMIN)


def add_calls(
    app: Flask,
    desk: Desk,
    clock: Callable[[], int],
    seats: Seats,
    books: Sequence[Book],
) -> None:
    """`books` are read anew after each change."""
    for call in CALLS:
        rule = call.path.replace("{", "<name:").replace("}", ">")
        view = view_of(call, desk, clock, seats, books)
        app.add_url_rule(
            rule, endpoint=f"{call.method} {call.path}", view_func=view, methods=[call.method]
        )


def view_of(
    call: Call, desk: Desk, clock: Callable[[], int], seats: Seats, books: Sequence[Book]
) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        asked = asked_from(call.parameters, request.args.to_dict(flat=False), path)
        if call.is_for_all and g.caller.sites:
            raise all_sites(g.caller.sites)
        asking = Asking(g.caller, asked, read_body(call), clock())
        with seats.taken():
            answer = call.work(desk, asking)
        if call.method != "get":
            for book in books:
                book.ask_anew()
        body = msgspec.json.encode(answer) + b"\n"
        response = Response(body, status=call.status, content_type=JSON_TYPE)
        response.headers["Cache-Control"] = "no-store"
        return response

    return view


def read_body(call: Call) -> bytes:
    """Empty where the call takes none. Raises InvalidInput."""
    request.max_content_length = MOST_BYTES
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise InvalidInput("too_large", TOO_LARGE, status=413) from None
    if call.body is None or not (body or call.body.is_required):
        return b""
    if request.mimetype != JSON_TYPE:
        raise InvalidInput("unsupported_type", NOT_JSON, field="Content-Type", status=415)
    return body

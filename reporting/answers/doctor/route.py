"""`GET /doctor`: the last requests that ingestion was sent, and what is set wrong."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct

from reporting.answers.doctor.finding import Finding, is_wrong, warning, worst_first
from reporting.answers.doctor.look import look
from reporting.answers.doctor.processes import OF_PROCESSES
from reporting.answers.doctor.requests import OF_REQUESTS
from reporting.answers.doctor.seen import Seen
from reporting.answers.doctor.stores import OF_STORES
from reporting.answers.members import about, count, moment
from reporting.route import Example, Route, Sources
from shared.clock import SECOND_MS, iso_from_ms
from shared.keys.keys import Kind
from shared.queue.watching import ASKED_MS, Noted


class SentRequest(Struct, frozen=True):
    """One that ingestion was sent."""

    at: Annotated[str, moment("When it came.")]
    method: Annotated[str, about("Its method; `OPTIONS` is a browser that asks before it posts.")]
    path: Annotated[str, about("The route that it came to.")]
    status: Annotated[int, count("What became of it, as `/metrics` counts it.")]
    code: Annotated[
        str | None, about("The code of what was wrong, or why it was left out; null where nothing.")
    ]
    events: Annotated[int, count("Events that were kept.")]
    site_id: Annotated[str | None, about("Whose event it was, the first's of several.")]
    address_from: Annotated[
        str | None,
        about(
            "Where the sender's address was read: `peer`, the connection, or a header's name; null "
            "where none could be read."
        ),
    ]
    address: Annotated[str | None, about("That address, cut to an IPv4 /24 or an IPv6 /48.")]
    address_class: Annotated[
        str | None, about("`loopback`, `private`, `public`, or `proxy`, of TRUSTED_PROXIES.")
    ]
    forwarded: Annotated[
        Sequence[str],
        about("Headers in which proxies pass an address that were there, believed or not."),
    ]
    country: Annotated[str | None, about("Of the sender, where it is known.")]
    host: Annotated[str | None, about("The host that was asked.")]
    origin_host: Annotated[str | None, about("The host of the page that a browser showed.")]


class Doctor(Struct, kw_only=True):
    """What is wrong, and the last requests. Ingestion goes on noting requests for a minute."""

    is_well: Annotated[bool, about("Whether nothing is found but hints.")]
    watched_until: Annotated[
        str, moment("Until when ingestion notes what it is sent, unless this is asked again.")
    ]
    ingestion_processes: Annotated[int, count("Those that have told of themselves just now.")]
    findings: Annotated[list[Finding], about("What is wrong, the worst first.")]
    requests: Annotated[
        list[SentRequest],
        about("The last ones, at most 100 and five minutes old, the latest first."),
    ]


def fetch_doctor(sources: Sources, now: int) -> Doctor:
    """`now` is in ms. Whatever does not answer is a finding."""
    return doctor_of(look(sources, now))


def doctor_of(seen: Seen) -> Doctor:
    findings = find_all(seen)
    return Doctor(
        is_well=not is_wrong(findings),
        watched_until=iso_from_ms((seen.now + ASKED_MS) // SECOND_MS * SECOND_MS),
        ingestion_processes=len(seen.doors),
        findings=findings,
        requests=[shown(noted) for noted in reversed(seen.noted)],
    )


def find_all(seen: Seen) -> list[Finding]:
    finders = (*OF_STORES, *OF_PROCESSES, *OF_REQUESTS)
    return worst_first(finding for find in finders for finding in find(seen))


def shown(noted: Noted) -> SentRequest:
    values = {name: getattr(noted, name) for name in SentRequest.__struct_fields__}
    return SentRequest(**values | {"at": iso_from_ms(noted.at)})


FOUND = warning(
    "untrusted_proxy",
    "TRUSTED_PROXIES",
    "1 of 1 requests came with X-Forwarded-For from 172.18.0.0/24 (private), and TRUSTED_PROXIES "
    "is empty: the connection's address is taken for the visitor's.",
    "If that is your proxy, name its address or network in TRUSTED_PROXIES of ingestion.",
)
SENT = SentRequest(
    at="2025-11-15T18:31:59.120Z",
    method="POST",
    path="/event",
    status=202,
    code=None,
    events=1,
    site_id="site-abc-123",
    address_from="peer",
    address="172.18.0.0/24",
    address_class="private",
    forwarded=["X-Forwarded-For"],
    country=None,
    host="count.example",
    origin_host="shop.example",
)
BEHIND_PROXY = Doctor(
    is_well=False,
    watched_until="2025-11-15T18:33:00Z",
    ingestion_processes=1,
    findings=[FOUND],
    requests=[SENT],
)
DOCTOR = Route(
    paths=("/doctor",),
    summary="What is set wrong",
    description="The last requests that ingestion was sent, and what is wrong with settings, "
    "clocks, keys and stores. It takes the key of `API_AUTH`, or one of the kind `admin`. Nothing "
    "is kept beforehand: to ask makes ingestion note requests for a minute, so ask again. No key, "
    "user, whole address or query is in it.",
    answer=fetch_doctor,
    needs=Kind.ADMIN,
    is_status=True,
    examples=(Example("now", "Behind a proxy that nobody trusts", BEHIND_PROXY),),
    faults=(),
)

"""All routes, by what they are about, and how Flask serves them."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.routing import BaseConverter

from reporting.answers.analytics import ANALYTICS
from reporting.answers.doctor.route import DOCTOR
from reporting.answers.ledger import PIPELINE
from reporting.answers.minutes import MINUTE_BUCKET, VIEWS_PER_MINUTE
from reporting.answers.polled import ACTIVE_USERS, PAGE_VIEWS, SESSIONS_ANYWHERE, USER_SESSIONS
from reporting.answers.ranges import BREAKDOWN, TIMESERIES
from reporting.answers.realtime import REALTIME
from reporting.answers.receipt import RECEIPT
from reporting.answers.sites import SITES
from reporting.answers.stats import STATS
from reporting.answers.system import SYSTEM
from reporting.ask import parameters as by
from reporting.ask.parameter import asked_from
from reporting.http.delivery import finished, response_of
from reporting.http.keys import check_kind, check_sites
from reporting.http.seats import Seats
from reporting.http.sites import SiteBook
from reporting.route import Route, Sources
from shared.db.database import at_once

ROUTES: dict[str, tuple[Route[Any], ...]] = {
    "numbers": (STATS, TIMESERIES, BREAKDOWN, RECEIPT, SITES),
    "now": (
        REALTIME,
        USER_SESSIONS,
        ACTIVE_USERS,
        PAGE_VIEWS,
        SESSIONS_ANYWHERE,
        ANALYTICS,
        VIEWS_PER_MINUTE,
        MINUTE_BUCKET,
    ),
    "operation": (PIPELINE, SYSTEM, DOCTOR),
}
# By their paths, which are their endpoints.
PUBLIC_ROUTES = {
    path: route
    for routes in ROUTES.values()
    for route in routes
    if route.is_public
    for path in route.paths
}


class NameConverter(BaseConverter):
    """Any name that an event may carry, such as `https://id.example/ann`: slashes and all."""

    part_isolating = False
    regex = "(?s:.+?)"


@dataclass(frozen=True)
class Reception:
    """What every question goes by, wherever its answer is from. `clock` tells the time in ms."""

    clock: Callable[[], int]
    sites: SiteBook
    seats: Seats
    status_seats: Seats


def add_routes(app: Flask, sources: Sources, reception: Reception) -> None:
    app.url_map.converters["name"] = NameConverter
    for routes in ROUTES.values():
        for route in routes:
            view = view_of(route, sources, reception)
            for path in route.paths:
                rule = path.replace("{", "<name:").replace("}", ">")
                app.add_url_rule(rule, endpoint=path, view_func=view)


def view_of(route: Route[Any], sources: Sources, reception: Reception) -> Callable[..., Response]:
    seats = reception.status_seats if route.is_status else reception.seats
    has_zone = by.TZ in route.parameters

    def view(**path: str) -> Response:
        now = reception.clock()
        check_kind(g.caller, route)
        asked = asked_from(route.parameters, request.args.to_dict(flat=False), path)
        asked.only = g.caller.sites
        check_sites(asked.only, route, asked)
        if has_zone:
            asked.site = reception.sites.settings_of(asked[by.SITE])
        query = route.query(asked, now)
        with seats.taken(), at_once() if route.is_status else nullcontext():
            response = response_of(route, asked, route.answer(sources, query))
        return finished(response, route.kept, query, now)

    return view

"""Routes asked without HTTP: what a query string means, and what is answered to that."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Engine

from reporting.answers.ranges import BREAKDOWN, TIMESERIES
from reporting.answers.sites import SITES
from reporting.answers.stats import STATS
from reporting.ask.parameter import asked_from
from reporting.route import Route, Sources

Q = TypeVar("Q")


def query_from(route: Route[Q], parameters: Mapping[str, list[str]], now: int) -> Q:
    return route.query(asked_from(route.parameters, parameters, {}), now)


def answer_of(route: Route[Any], engine: Engine, query: object) -> Any:
    """The JSON of a route that asks the database only."""
    no_queue: Any = None
    return msgspec.to_builtins(route.answer(Sources(engine, no_queue, engine), query))


def fetch_sites(engine: Engine, now: int, **parameters: str) -> Any:
    given = {name: [value] for name, value in parameters.items()}
    return answer_of(SITES, engine, query_from(SITES, given, now))


stats_query_from = partial(query_from, STATS)
series_query_from = partial(query_from, TIMESERIES)
breakdown_query_from = partial(query_from, BREAKDOWN)
fetch_stats = partial(answer_of, STATS)
fetch_series = partial(answer_of, TIMESERIES)
fetch_breakdown = partial(answer_of, BREAKDOWN)

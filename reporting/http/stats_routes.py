"""The routes of a site's numbers."""

from collections.abc import Callable

from flask import Flask, Response, jsonify, request
from sqlalchemy import Engine

from reporting.answers.stats import fetch_breakdown, fetch_series, fetch_sites, fetch_stats
from reporting.ask.parameters import single_values
from reporting.ask.query import breakdown_query_from, series_query_from, stats_query_from
from reporting.http.delivery import delivered, table_response


def add_stats_routes(app: Flask, engine: Engine, clock: Callable[[], int]) -> None:
    @app.get("/stats", endpoint="stats")
    @app.get("/stats/aggregated", endpoint="stats_aggregated")
    def stats() -> Response:
        now = clock()
        query = stats_query_from(request.args.to_dict(flat=False), now)
        return delivered(jsonify(fetch_stats(engine, query)), query, now)

    @app.get("/stats/timeseries")
    def timeseries() -> Response:
        now = clock()
        query = series_query_from(request.args.to_dict(flat=False), now)
        answer = fetch_series(engine, query)
        return delivered(table_response(answer, "points", "start"), query, now)

    @app.get("/stats/breakdown")
    def breakdown() -> Response:
        now = clock()
        query = breakdown_query_from(request.args.to_dict(flat=False), now)
        answer = fetch_breakdown(engine, query)
        return delivered(table_response(answer, "rows", "value"), query, now)

    @app.get("/sites")
    def sites() -> Response:
        take_no_parameters()
        return jsonify({"sites": fetch_sites(engine)})


def take_no_parameters() -> None:
    single_values(request.args.to_dict(flat=False), ())

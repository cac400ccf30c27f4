"""Start reporting: `python -m reporting`, on Granian or gunicorn."""

import os
from functools import partial

from shared.db.database import of_replica, reading_engine
from shared.db.schema import require_connection
from shared.errors import BadSetting
from shared.process import check_key, refuse, resolve, share_metrics, start, warn_if_open
from shared.queue.answering import require_redis
from shared.settings import Settings
from shared.waiting import wait_for

# Most of them wait for a seat (reporting/http/seats.py), and the rest are for `/health`.
THREADS = 256
# Processes, unless it is said how many: each takes memory and connections, asked or not.
MOST_BY_ITSELF = 4


def load_app() -> object:
    """The factory that each server process calls."""
    from reporting.app import create_app

    return create_app(Settings.from_env())


def check_addresses(settings: Settings) -> None:
    """Raises BadSetting for one without sense, before any server process meets it."""
    for engine in filter(None, (reading_engine(settings), of_replica(reading_engine, settings))):
        engine.dispose()


def main() -> None:
    settings = start("reporting")
    try:
        check_addresses(settings)
        _, address = resolve("REPORTING", settings.reporting_host, settings.reporting_port)
        check_key(settings)
        wait_for(partial(require_redis, settings), partial(require_connection, settings))
    except BadSetting as error:
        refuse(error)
    warn_if_open("reporting", settings.reporting_host, settings.api_auth)
    share_metrics(processes_of(settings))
    if settings.reporting_server == "granian":
        serve_with_granian(settings, address[0])
    else:
        serve_with_gunicorn(settings, address[0])


def processes_of(settings: Settings) -> int:
    """How many to start."""
    return settings.reporting_processes or min(os.cpu_count() or 1, MOST_BY_ITSELF)


def serve_with_granian(settings: Settings, address: str) -> None:
    from granian.constants import Interfaces

    from shared.http import granian_server

    granian_server.serve(
        "reporting.__main__:load_app",
        interface=Interfaces.WSGI,
        host=address,
        port=settings.reporting_port,
        processes=processes_of(settings),
        threads=THREADS,
        level=settings.log_level,
    )


def serve_with_gunicorn(settings: Settings, address: str) -> None:
    from shared.http import gunicorn_server

    gunicorn_server.serve(
        load_app,
        host=address,
        port=settings.reporting_port,
        processes=processes_of(settings),
        threads=THREADS,
        level=settings.log_level,
    )


if __name__ == "__main__":
    main()

"""Start ingestion: `python -m ingestion`, on Granian or gunicorn."""

import logging
from functools import partial
from typing import TYPE_CHECKING

from ingestion.own_paths import check_own_paths
from ingestion.visitor.countries import open_countries
from shared.errors import BadSetting
from shared.process import refuse, resolve, share_metrics, start, warn_if_open
from shared.queue.answering import require_redis
from shared.settings import Settings
from shared.waiting import wait_for

if TYPE_CHECKING:
    from ingestion.app import Ingestion
    from ingestion.doors.rsgi import RsgiDoor

log = logging.getLogger(__name__)

# Under gunicorn a thread is busy for as long as a client takes to send, so one is never enough.
MIN_GUNICORN_THREADS = 4


def load_app() -> "Ingestion":
    """The application for WSGI, which each server process makes for itself."""
    from ingestion.app import create_app

    app = create_app(Settings.from_env())
    app.door.keeper.start()
    return app


def load_rsgi() -> "RsgiDoor":
    """The application for Granian, which each of its processes makes for itself."""
    from ingestion.app import create_app
    from ingestion.doors.rsgi import RsgiDoor

    app = create_app(Settings.from_env())
    return RsgiDoor(app.door, app)


def main() -> None:
    settings = start("ingestion")
    try:
        # Each server process opens it for itself; one that cannot would only be started again.
        open_countries(settings.country_database)
        check_own_paths(settings)
        _, address = resolve("INGESTION", settings.ingestion_host, settings.ingestion_port)
        wait_for(partial(require_redis, settings))
    except BadSetting as error:
        refuse(error)
    warn_if_open("ingestion", settings.ingestion_host, settings.api_auth)
    share_metrics(settings.ingestion_processes)
    if settings.ingestion_server == "granian":
        serve_with_granian(settings, address[0])
    else:
        serve_with_gunicorn(settings, address[0])


def serve_with_granian(settings: Settings, address: str) -> None:
    from granian.constants import Interfaces

    from shared.http import granian_server

    if settings.ingestion_threads != Settings.ingestion_threads:
        log.warning("INGESTION_THREADS changes nothing with Granian, where clients hold no threads")
    granian_server.serve(
        "ingestion.__main__:load_rsgi",
        interface=Interfaces.RSGI,
        host=address,
        port=settings.ingestion_port,
        processes=settings.ingestion_processes,
        threads=1,
        level=settings.log_level,
    )


def serve_with_gunicorn(settings: Settings, address: str) -> None:
    from shared.http import gunicorn_server

    gunicorn_server.serve(
        load_app,
        host=address,
        port=settings.ingestion_port,
        processes=settings.ingestion_processes,
        threads=max(MIN_GUNICORN_THREADS, settings.ingestion_threads),
        level=settings.log_level,
    )


if __name__ == "__main__":
    main()

"""Start ingestion: `python -m ingestion`, on Granian or gunicorn."""

import resource
from typing import TYPE_CHECKING

from ingestion.visitor.countries import open_countries
from shared.errors import BadSetting
from shared.process import refuse, resolve, share_metrics, start, warn_if_open
from shared.queue.connections import connect
from shared.settings import Settings

if TYPE_CHECKING:
    from ingestion.app import Ingestion
    from ingestion.doors.rsgi import RsgiDoor

GRACE_SECONDS = 5
# Nothing is connected to, only what the address says is read.
REFUSAL_SECONDS = 1
# Under gunicorn a thread is busy for as long as a client takes to send, so one is never enough.
MIN_GUNICORN_THREADS = 4
# Of Granian: connections not accepted yet, connections in all, and how long a head may take.
BACKLOG = 4096
MAX_CONNECTIONS = 60_000
HEAD_SECONDS = 10


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
        # Each server process opens them for itself; one that cannot would only be started again.
        open_countries(settings.country_database)
        connect(settings, REFUSAL_SECONDS).close()
        _, address = resolve("INGESTION", settings.ingestion_host, settings.ingestion_port)
    except BadSetting as error:
        refuse(error)
    warn_if_open("ingestion", settings.ingestion_host, settings.api_auth)
    share_metrics(settings.ingestion_processes)
    if settings.ingestion_server == "granian":
        serve_with_granian(settings, address[0])
    else:
        serve_with_gunicorn(settings, address[0])


def serve_with_granian(settings: Settings, address: str) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    raise_open_files()
    Granian(
        "ingestion.__main__:load_rsgi",
        address=address,
        port=settings.ingestion_port,
        interface=Interfaces.RSGI,
        factory=True,
        workers=settings.ingestion_processes,
        backlog=BACKLOG,
        # Connections that are open count, also idle ones: a bound on them would be one on clients.
        backpressure=MAX_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_SECONDS * 1000),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels(settings.log_level),
    ).serve()


def raise_open_files() -> None:
    """Have as many connections as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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

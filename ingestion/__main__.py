"""Start ingestion: `python -m ingestion`, on Granian or gunicorn."""

from functools import partial

from ingestion.visitor.countries import open_countries
from shared.errors import BadSetting
from shared.process import refuse, share_metrics, start, warn_if_open
from shared.queue.answering import require_redis
from shared.settings import Settings
from shared.waiting import wait_for

GRACE_SECONDS = 5
# Under gunicorn a thread is busy for as long as a client takes to send, so one is never enough.
MIN_GUNICORN_THREADS = 4


def load_app() -> object:
    """The factory that each server process calls."""
    from ingestion.app import create_app

    return create_app(Settings.from_env())


def main() -> None:
    settings = start("ingestion")
    try:
        # Each server process opens it for itself; one that cannot would only be started again.
        open_countries(settings.country_database)
        wait_for(partial(require_redis, settings))
    except BadSetting as error:
        refuse(error)
    warn_if_open("ingestion", settings.ingestion_host, settings.api_auth)
    share_metrics(settings.ingestion_processes)
    if settings.ingestion_server == "granian":
        serve_with_granian(settings)
    else:
        serve_with_gunicorn(settings)


def serve_with_granian(settings: Settings) -> None:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    Granian(
        "ingestion.__main__:load_app",
        address=settings.ingestion_host,
        port=settings.ingestion_port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=settings.ingestion_processes,
        blocking_threads=settings.ingestion_threads,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels(settings.log_level),
    ).serve()


def serve_with_gunicorn(settings: Settings) -> None:
    from shared.http import gunicorn_server

    gunicorn_server.serve(
        load_app,
        host=settings.ingestion_host,
        port=settings.ingestion_port,
        processes=settings.ingestion_processes,
        threads=max(MIN_GUNICORN_THREADS, settings.ingestion_threads),
        level=settings.log_level,
    )


if __name__ == "__main__":
    main()

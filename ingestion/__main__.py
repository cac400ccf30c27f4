"""Start ingestion: `python -m ingestion`, on Granian or gunicorn."""

from ingestion.visitor.countries import open_countries
from shared.errors import BadSetting
from shared.process import refuse, resolve, share_metrics, start, warn_if_open
from shared.queue.event_queue import connect
from shared.settings import Settings

GRACE_SECONDS = 5
# Nothing is connected to, only what the address says is read.
REFUSAL_SECONDS = 1
# Under gunicorn a thread is busy for as long as a client takes to send, so one is never enough.
MIN_GUNICORN_THREADS = 4


def load_app() -> object:
    """The factory that each server process calls."""
    from ingestion.app import create_app

    return create_app(Settings.from_env())


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
    from granian.constants import Interfaces
    from granian.log import LogLevels

    Granian(
        "ingestion.__main__:load_app",
        address=address,
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

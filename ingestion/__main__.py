"""Start ingestion: `python -m ingestion`, on Granian or gunicorn."""

import os
import sys
import tempfile

from shared.errors import BadSetting
from shared.process import configure_logging, warn_if_open
from shared.settings import Settings

GRACE_SECONDS = 5


def load_app() -> object:
    """The factory that each server process calls."""
    from ingestion.app import create_app

    return create_app(Settings.from_env())


def main() -> None:
    try:
        settings = Settings.from_env()
    except BadSetting as error:
        sys.exit(f"footfall: {error}")
    configure_logging(settings.log_level)
    warn_if_open("ingestion", settings.ingestion_host, settings.api_auth)
    if settings.ingestion_processes > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="footfall-metrics-")
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
    raise NotImplementedError


if __name__ == "__main__":
    main()

"""Start reporting: `python -m reporting`, on gunicorn."""

from shared.db.database import reading_engine, replica_engine
from shared.errors import BadSetting
from shared.http import gunicorn_server
from shared.process import refuse, resolve, share_metrics, start, warn_if_open
from shared.queue.connections import connect
from shared.settings import Settings

THREADS = 4
# Nothing is connected to, only what the addresses say is read.
REFUSAL_SECONDS = 1


def load_app() -> object:
    """The factory that each server process calls."""
    from reporting.app import create_app

    return create_app(Settings.from_env())


def check_addresses(settings: Settings) -> None:
    """Raises BadSetting for one without sense, before any server process meets it."""
    for engine in filter(None, (reading_engine(settings), replica_engine(settings))):
        engine.dispose()
    connect(settings, REFUSAL_SECONDS).close()


def main() -> None:
    settings = start("reporting")
    try:
        check_addresses(settings)
        _, address = resolve("REPORTING", settings.reporting_host, settings.reporting_port)
    except BadSetting as error:
        refuse(error)
    warn_if_open("reporting", settings.reporting_host, settings.api_auth)
    share_metrics(settings.reporting_processes)
    gunicorn_server.serve(
        load_app,
        host=address[0],
        port=settings.reporting_port,
        processes=settings.reporting_processes,
        threads=THREADS,
        level=settings.log_level,
    )


if __name__ == "__main__":
    main()

"""Start reporting: `python -m reporting`, on gunicorn."""

from functools import partial

from shared.db.schema import require_connection
from shared.errors import BadSetting
from shared.http import gunicorn_server
from shared.process import refuse, share_metrics, start, warn_if_open
from shared.queue.answering import require_redis
from shared.settings import Settings
from shared.waiting import wait_for

THREADS = 4


def load_app() -> object:
    """The factory that each server process calls."""
    from reporting.app import create_app

    return create_app(Settings.from_env())


def main() -> None:
    settings = start("reporting")
    try:
        wait_for(partial(require_redis, settings), partial(require_connection, settings))
    except BadSetting as error:
        refuse(error)
    warn_if_open("reporting", settings.reporting_host, settings.api_auth)
    share_metrics(settings.reporting_processes)
    gunicorn_server.serve(
        load_app,
        host=settings.reporting_host,
        port=settings.reporting_port,
        processes=settings.reporting_processes,
        threads=THREADS,
        level=settings.log_level,
    )


if __name__ == "__main__":
    main()

"""What is checked before anything is started. Each check raises BadSetting with one sentence."""

import contextlib
import errno
import os
import socket

import redis

from footfall.run import embedded_valkey
from ingestion.visitor.countries import open_countries
from shared.db.database import NOT_MIGRATED, check_connection, make_engine
from shared.db.schema import check_schema
from shared.errors import BadSetting, Unavailable
from shared.process import resolve
from shared.queue.connections import connect
from shared.queue.durability import check_durability
from shared.settings import Settings, masked

TIMEOUT_SECONDS = 5.0


def check_ports(*addresses: tuple[str, str, int]) -> None:
    """Raises BadSetting where one of these (service, host, port) could not listen there."""
    with contextlib.ExitStack() as taken:
        for service, host, port in addresses:
            # Kept until all are checked: two services may ask for what only one can have.
            taken.enter_context(listen(service.upper(), host, port))


def listen(prefix: str, host: str, port: int) -> socket.socket:
    family, address = resolve(prefix, host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of the last run that linger in TIME_WAIT are no obstacle, a listener is.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise BadSetting(explain_bind(error, prefix, host, port)) from error
    return listener


def explain_bind(error: OSError, prefix: str, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{prefix}_PORT: port {port} on {host} is in use; "
            f"stop what listens there or set {prefix}_PORT to a free one"
        )
    name = "HOST" if error.errno == errno.EADDRNOTAVAIL else "PORT"
    return f"{prefix}_{name}: cannot listen on {host} port {port}: {error.strerror}"


def check_countries(settings: Settings) -> None:
    """Raises BadSetting where ingestion could not look countries up."""
    open_countries(settings.country_database)


def check_data_dir(settings: Settings) -> None:
    """Make DATA_DIR where it is not there yet."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"DATA_DIR: {settings.data_dir}: {error.strerror}") from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise BadSetting(f"DATA_DIR: {settings.data_dir}: not writable")


def check_redis(settings: Settings) -> str | None:
    """Returns a warning where this Redis may lose what it acknowledged."""
    try:
        with connect(settings, TIMEOUT_SECONDS) as client:
            client.ping()
            with contextlib.suppress(redis.ResponseError):  # INFO may be forbidden
                return check_durability(client)
    except redis.BusyLoadingError:
        pass  # it is there, and answers once it has read its file
    except redis.RedisError as error:
        raise BadSetting(explain_redis(settings, error)) from error
    return None


def explain_redis(settings: Settings, error: Exception) -> str:
    if settings.redis_url:
        return f"REDIS_URL: cannot use {masked(settings.redis_url)}: {error}"
    directory = embedded_valkey.directory(settings)
    return (
        f"REDIS_URL: is empty, and no embedded Valkey answers in {directory}; "
        "start `make run` or `make valkey`, or set REDIS_URL"
    )


def check_database(settings: Settings, *, migrated: bool) -> None:
    """`migrated`: also refuse a database that lacks a table or a column."""
    if not settings.database_url:
        check_data_dir(settings)
    engine = make_engine(settings)
    try:
        check = check_schema if migrated else check_connection
        check(engine)
    except Unavailable as error:
        if error.code == NOT_MIGRATED:
            raise BadSetting(f"DATABASE_URL: {error}") from error
        address = masked(settings.database_address)
        raise BadSetting(f"DATABASE_URL: cannot use {address}: {error}") from error
    finally:
        engine.dispose()

"""What is checked before anything is started. Each check raises BadSetting with one sentence."""

import contextlib
import errno
import os
import socket

import redis

from ingestion.own_paths import check_own_paths
from ingestion.visitor.countries import open_countries
from shared.db.schema import require_connection, require_schema
from shared.errors import BadSetting, Unavailable
from shared.private import keep_private
from shared.process import resolve
from shared.queue.answering import TIMEOUT_SECONDS, require_redis
from shared.queue.connections import connect
from shared.queue.durability import check_durability
from shared.settings import Settings


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


def check_ingestion(settings: Settings) -> None:
    """Raises BadSetting where ingestion could not look countries up, or has routes already at paths
    of one's own."""
    open_countries(settings.country_database)
    check_own_paths(settings)


def check_data_dir(settings: Settings) -> None:
    """Make DATA_DIR where it is not there yet."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"DATA_DIR: {settings.data_dir}: {error.strerror}") from error
    keep_private(settings)
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise BadSetting(f"DATA_DIR: {settings.data_dir}: not writable")


def check_redis(settings: Settings) -> str | None:
    """Returns a warning where this Redis may lose what it acknowledged. One that is away is waited
    for, by those who need it."""
    try:
        require_redis(settings)
        with connect(settings, TIMEOUT_SECONDS) as client:
            return check_durability(client)
    except (Unavailable, redis.RedisError):  # INFO may be forbidden
        return None


def check_database(settings: Settings, *, migrated: bool) -> None:
    """`migrated`: also refuse a database that lacks a table or a column."""
    try:
        check_answering_database(settings, migrated=migrated)
    except Unavailable as error:
        raise BadSetting(str(error)) from error


def check_answering_database(settings: Settings, *, migrated: bool) -> None:
    """The same, but raises Unavailable where it is away."""
    if not settings.database_url:
        check_data_dir(settings)
    require = require_schema if migrated else require_connection
    require(settings)

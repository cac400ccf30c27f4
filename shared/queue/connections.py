"""Connections to the Redis that REDIS_URL leads to now, which may not be the one of a minute ago.

What shows one connection that its server cannot serve ends all that were opened with it; whoever
has one opens another, to wherever the address leads by then.
"""

import contextlib
import hashlib
import math
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import redis
from redis.backoff import NoBackoff
from redis.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from shared.errors import BadSetting
from shared.queue.faults import leads_elsewhere
from shared.settings import Settings, masked

# Connecting and answering together stay below the second within which ingestion answers 503.
CONNECT_TIMEOUT_SECONDS = 0.3
# Who waited so long without an answer waits for a server that has gone, and so do all the others;
# a shorter wait tells of the haste of the one who asked.
SILENCE_SECONDS = 5


class Server:
    """The server that a client's address led to: all connections that lead there.

    A connection older than `max_age_seconds` is replaced when it is next used: whoever only reads
    gets no error from a server that has become a replica.
    """

    def __init__(self, max_age_seconds: float) -> None:
        self.max_age_seconds = max_age_seconds
        self.connections: WeakSet[Following] = WeakSet()
        self.lock = threading.Lock()

    def add(self, connection: "Following") -> None:
        with self.lock:
            self.connections.add(connection)

    def heard(self, error: redis.RedisError) -> None:
        """Leave, where this is why. After NOSCRIPT the whole script follows: that will tell."""
        if leads_elsewhere(error) and not isinstance(error, redis.exceptions.NoScriptError):
            self.leave()

    def leave(self) -> None:
        """End all connections, also those that other threads wait on."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.hang_up()


class Following(AbstractConnection):
    """What is added to each kind of redis-py's connections."""

    def __init__(self, *args: Any, server: Server, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.server = server
        self.opened_at = math.inf

    def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Called for each connection that is handed out, open or not."""
        if time.monotonic() - self.opened_at > self.server.max_age_seconds:
            self.disconnect()
        if self.is_connected:
            return
        super().connect_check_health(*args, **kwargs)
        self.opened_at = time.monotonic()
        self.server.add(self)

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        self.opened_at = math.inf
        super().disconnect(*args, **kwargs)  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        is_open = self.opened_at < math.inf
        try:
            return super().read_response(*args, **kwargs)
        except redis.TimeoutError:
            if is_open and (self.socket_timeout or math.inf) >= SILENCE_SECONDS:
                self.server.leave()
            raise
        except redis.RedisError as error:
            # While it is being opened, it tells nothing of those that are let in already.
            if is_open:
                self.server.heard(error)
            raise

    def hang_up(self) -> None:
        """End the connection from any thread; the one that uses it finds it closed."""
        open_socket = self._sock
        if open_socket is not None:
            with contextlib.suppress(OSError):
                # Not TLS's own: it would change what another thread is reading with.
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


class FollowingTcp(Following, Connection):
    pass


class FollowingTls(Following, SSLConnection):
    pass


class FollowingUnix(Following, UnixDomainSocketConnection):
    pass


KINDS: dict[Any, Any] = {
    Connection: FollowingTcp,
    SSLConnection: FollowingTls,
    UnixDomainSocketConnection: FollowingUnix,
}


def connect(
    settings: Settings, timeout_seconds: float, max_age_seconds: float = math.inf
) -> "redis.Redis":
    """A client that never repeats a command by itself: a push repeated blindly counts twice.

    Raises BadSetting for an address with options that are not understood.
    """
    options = connection_options(timeout_seconds)
    try:
        pool = redis.ConnectionPool.from_url(
            settings.redis_address, retry=Retry(NoBackoff(), 0), **options
        )
        pool.connection_class = KINDS[pool.connection_class]
        pool.connection_kwargs["server"] = Server(max_age_seconds)
        # Of those that are not known, only a connection would say so, at its first use.
        pool.connection_class(**pool.connection_kwargs)
        if pool.connection_kwargs.get("decode_responses"):
            raise ValueError("decode_responses must not be set: answers are bytes")
    except (TypeError, ValueError, redis.RedisError) as error:
        address = masked(settings.redis_address)
        raise BadSetting(f"REDIS_URL: cannot use {address}: {error}") from error
    return redis.Redis.from_pool(pool)


def connection_options(timeout_seconds: float) -> dict[str, Any]:
    """What every connection is opened with, whichever client it belongs to."""
    return {
        "socket_connect_timeout": min(CONNECT_TIMEOUT_SECONDS, timeout_seconds),
        "socket_timeout": timeout_seconds,
        # Nobody reads them on a held connection, where one would be taken for an answer.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "client_name": "footfall",
    }


class Script:
    """A Lua script that is sent by its digest, and whole to a server that does not know it.

    Loading it first would be another command, perhaps on a connection to another server.
    """

    def __init__(self, client: "redis.Redis", text: str) -> None:
        self.client = client
        self.text = text
        self.digest = digest_of(text)

    def __call__(self, keys: Sequence[str], args: Sequence[str | bytes | int] = ()) -> Any:
        """The script's answer. Raises redis.RedisError."""
        try:
            return self.client.evalsha(self.digest, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self.client.eval(self.text, len(keys), *keys, *args)


def digest_of(script: str) -> str:
    """What Redis calls a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

"""Gunicorn, configured by our settings instead of its own command line."""

from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from shared.private import UMASK

GRACE_SECONDS = 5


class GunicornServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Serves the application that `factory` makes, once in each worker process."""

    def __init__(self, factory: Callable[[], Any], options: dict[str, Any]) -> None:
        self.factory = factory
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self.factory()


def serve(
    factory: Callable[[], Any], *, host: str, port: int, processes: int, threads: int, level: str
) -> None:
    """Serve until SIGTERM or SIGINT; requests under way get GRACE_SECONDS to end."""
    options = {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": processes,
        "worker_class": "gthread",
        "threads": threads,
        "graceful_timeout": GRACE_SECONDS,
        "keepalive": 75,
        # `X_Forwarded_For` must not pass for `X-Forwarded-For`, which a proxy has set: WSGI has one
        # name for both. By default a client behind a proxy on this machine may set two others.
        "header_map": "drop",
        "forwarder_headers": "",
        # At `debug` it logs each path, with whatever a client has put there.
        "loglevel": "info" if level == "debug" else level,
        "umask": UMASK,  # gunicorn sets one of its own, which lets everybody read and write
        "control_socket_disable": True,
    }
    GunicornServer(factory, options).run()

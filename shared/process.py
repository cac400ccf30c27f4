"""What every entry point does first: settings, logging, and a loud word about an open door."""

import gc
import logging
import os
import signal
import socket
import sys
import tempfile
from typing import Any, NoReturn

from shared.errors import BadSetting
from shared.private import keep_private
from shared.settings import Settings, is_loopback

log = logging.getLogger("footfall")

BAD_SETTING_STATUS = 2


def start(service: str) -> Settings:
    """The settings of this process, its logging configured; exits with status 2 on a bad one.

    Until the process has handlers of its own, SIGTERM ends it, with status 0: nothing is begun.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.from_env(service=service)
    except BadSetting as error:
        refuse(error)
    configure_logging(settings.log_level)
    keep_private(settings)
    log.debug("%s starts", service)
    return settings


def collect_seldom() -> None:
    """Let Python look for cycles seldom: a batch makes some hundred thousand tuples, none in a
    cycle, and to look at them all again and again took a fifth of its time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def refuse(error: BadSetting) -> NoReturn:
    """Say what is wrong with the settings and exit with status 2; no restart would help."""
    print(f"footfall: {error}", file=sys.stderr)  # noqa: T201  # logging is not configured yet
    sys.exit(BAD_SETTING_STATUS)


def resolve(prefix: str, host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Where a service listens whose settings begin with `prefix`, as a socket is told. Raises
    BadSetting."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise BadSetting(f"{prefix}_HOST: {host} is no address: {error.strerror}") from error
    family, _, _, _, address = found[0]
    return family, address


def configure_logging(level: str) -> None:
    """One line a record, to standard error; time and process name are added by who collects it."""
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")


def check_key(settings: Settings) -> None:
    """Raises BadSetting where reporting would tell every number to whoever reaches its address, and
    nobody has said that it may."""
    host = settings.reporting_host
    if not (settings.api_auth or settings.allow_open or is_loopback(host)):
        raise BadSetting(
            f"API_AUTH: reporting would listen on {host} without a key, and whoever reaches that "
            "address would read every number; set API_AUTH to a key, such as the output of "
            "`openssl rand -hex 24`, or ALLOW_OPEN=true"
        )


def warn_if_open(service: str, host: str, api_auth: str) -> None:
    """Say loudly when anybody who reaches this address may use the service."""
    if not api_auth and not is_loopback(host):
        log.warning(
            "%s listens on %s WITHOUT API_AUTH: whoever reaches that address can use it. "
            "Set API_AUTH to a key.",
            service,
            host,
        )


def share_metrics(processes: int) -> None:
    """Let a service's processes add up their counters; before prometheus_client is imported."""
    if processes > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="footfall-metrics-")

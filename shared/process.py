"""What every entry point does first: logging, and a loud word about an open door."""

import logging

from shared.settings import is_loopback

log = logging.getLogger("footfall")


def configure_logging(level: str) -> None:
    """One line a record, to standard error; time and process name are added by who collects it."""
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")


def warn_if_open(service: str, host: str, api_auth: str) -> None:
    """Say loudly when anybody who reaches this address may use the service."""
    if not api_auth and not is_loopback(host):
        log.warning(
            "%s listens on %s WITHOUT API_AUTH: whoever reaches that address can use it. "
            "Set API_AUTH to a key.",
            service,
            host,
        )

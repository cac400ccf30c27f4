"""The names under which a service without a key may be asked.

A website can let its own name lead to this machine (DNS rebinding): its page is then of the same
origin as the service, and could read what that tells. No page can do so under an address, under
`localhost`, or under a name that this machine has.
"""

import ipaddress
import socket

from shared.urls import host_named

LOCALHOST = "localhost"


class OwnNames:
    """`given` is what the settings call the machine: a name or an address."""

    def __init__(self, given: str) -> None:
        self.names = {LOCALHOST, socket.gethostname().lower(), given.lower()}

    def has(self, host: str) -> bool:
        """Whether a Host header names this machine; without one, no browser asks."""
        if not host:
            return True
        name = host_named(host)
        return name is not None and (
            name in self.names or name.endswith(f".{LOCALHOST}") or is_address(name)
        )


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

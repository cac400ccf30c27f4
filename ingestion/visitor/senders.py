"""Who sent a request, and a word to the operator where nobody can tell.

All of whom that is unknown would otherwise be nobody, and the numbers wrong without a sign of it.
Where proxies are named, only their word is taken: a header that comes from anybody else is what its
sender has written.
"""

import ipaddress
import logging
from collections.abc import Callable, Iterator, Sequence

from ingestion.visitor.addresses import (
    Address,
    address_from,
    addresses_from,
    addresses_in_forwarded,
)
from shared.clock import MINUTE_MS

FORWARDED = "forwarded"
# In which proxies pass an address, in the order in which they are looked at where none is named.
USUAL = ("x-forwarded-for", FORWARDED, "x-real-ip", "cf-connecting-ip")
# For how long /ready tells of the last one; at most once in such a time the log does.
TOLD_MS = 5 * MINUTE_MS
LOGGED_MS = MINUTE_MS
NOBODY = "Such visitors are nobody, and their country is not looked up."
DISBELIEVED = (
    "TRUSTED_PROXIES: requests come with {}, from a proxy or from a client that pretends to be "
    "one, and the connection's address is taken for the visitor's: if there is a proxy, name it in "
    "TRUSTED_PROXIES"
)

NETWORK_BYTES = 8
# Of many requests, one each second is looked at for a proxy that nobody trusts.
LOOK_MS = 1000

log = logging.getLogger(__name__)

# A request's header by its name in lower case.
HeaderOf = Callable[[str], str | None]


class Senders:
    """Reads addresses where ADDRESS_HEADER says they are, or where TRUSTED_PROXIES pass them, and
    remembers when one was not read, or not believed."""

    def __init__(self, header: str, trusted: Sequence[str] = ()) -> None:
        self.header = header
        self.trusted = [ipaddress.ip_network(network) for network in trusted]
        self.names = (header.lower(),) if header else USUAL
        self.told = Told()
        self.looked_at = 0

    def address(self, peer: str | None, header_of: HeaderOf, now: int) -> Address | None:
        """The address of whoever sent a request over a connection of `peer`; None where nothing
        tells it. `now` is in ms."""
        try:
            if self.trusted:
                return self.behind_proxies(peer, header_of)
            if self.header:
                return next(self.named(header_of(self.names[0]), self.header))
            self.look_for_proxy(header_of, now)
            return address_of_peer(peer)
        except ValueError as error:
            setting = "TRUSTED_PROXIES" if self.trusted else "ADDRESS_HEADER"
            sentence = f"{setting}: a visitor's address cannot be read: {error}. {NOBODY}"
            self.told.say(sentence, now)
            return None

    def network(self, peer: str | None, header_of: HeaderOf, now: int) -> str:
        """Whose all such addresses are: an IPv4 address, or the first half of one of IPv6, behind
        which are a household's or a server's. Empty where nothing tells it."""
        if peer and not self.trusted and not self.header and "." in peer and peer.count(":") < 2:
            if now - self.looked_at >= LOOK_MS:
                self.looked_at = now
                self.look_for_proxy(header_of, now)
            return peer.partition(":")[0]  # as any other way would have it, and ten times as fast
        address = self.address(peer, header_of, now)
        if isinstance(address, ipaddress.IPv6Address):
            return address.packed[:NETWORK_BYTES].hex()
        return str(address or "")

    def behind_proxies(self, peer: str | None, header_of: HeaderOf) -> Address:
        """The last that no proxy of ours has. Raises ValueError."""
        # Over a Unix socket only this machine's proxy comes, which has no address.
        nearest = address_of_peer(peer) if peer else None
        if nearest is not None and not self.is_trusted(nearest):
            return nearest
        for name in self.names:
            if value := header_of(name):
                for address in self.named(value, self.header or name):
                    if not self.is_trusted(address):
                        return address
                    nearest = address
                break
        return nearest or address_of_peer(peer)

    def is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self.trusted)

    def named(self, value: str | None, name: str) -> Iterator[Address]:
        """Those in a header, the last first. Raises ValueError."""
        if not value:
            raise ValueError(f"{name} is absent or empty")
        read = addresses_in_forwarded if name.lower() == FORWARDED else addresses_from
        try:
            yield from read(value)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None

    def look_for_proxy(self, header_of: HeaderOf, now: int) -> None:
        for name in USUAL:
            if header_of(name):
                self.told.say(DISBELIEVED.format(name), now)
                return

    def warnings(self, now: int) -> list[str]:
        """What to tell the operator: nothing, or of the last request of which that is so."""
        return self.told.warnings(now)


def address_of_peer(peer: str | None) -> Address:
    try:
        return address_from(peer or "")
    except ValueError:
        raise ValueError("the connection has none") from None


class Told:
    """The last thing that the operator should know."""

    def __init__(self) -> None:
        self.sentence = ""
        self.seen_at = self.logged_at = -TOLD_MS

    def say(self, sentence: str, now: int) -> None:
        self.sentence, self.seen_at = sentence, now
        if now - self.logged_at >= LOGGED_MS:
            self.logged_at = now
            log.warning("%s", sentence)

    def warnings(self, now: int) -> list[str]:
        return [self.sentence] if now - self.seen_at < TOLD_MS else []

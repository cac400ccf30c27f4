"""What is set for one site, ready to be held against each of its events."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ingestion.visitor.addresses import Address
from shared.errors import InvalidInput
from shared.sites.settings import ANY, ANY_HOST, DAY, PERIODS, SiteSettings
from shared.urls import host_from

# How /metrics and a receipt call what is left out because its site wants it so.
EXCLUDED = "excluded"
UNKNOWN_SITE = "unknown_site"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Sender(NamedTuple):
    """Who sent a request: the Origin that a browser tells, and the address, found when asked."""

    origin: str | None
    address: Callable[[], Address | None]


def host_not_allowed(site_id: str, host: str) -> InvalidInput:
    return not_taken("host_not_allowed", f"site_id {site_id} takes no events from {host}")


def unknown_site(site_id: str) -> InvalidInput:
    sentence = f"site_id {site_id} is not registered: `footfall sites create` does it"
    return not_taken(UNKNOWN_SITE, sentence)


def too_many_sites(site_id: str, most: int) -> InvalidInput:
    sentence = (
        f"site_id {site_id} is new, and MAX_SITES ({most}) others are not registered either: "
        "`footfall sites create` registers it"
    )
    return not_taken("too_many_sites", sentence)


def not_taken(code: str, sentence: str) -> InvalidInput:
    return InvalidInput(code, sentence, field="site_id", status=403)


NOBODY = Sender(None, lambda: None)


class Excluded(Exception):
    """An event of which nothing is kept, because its site wants it so."""

    def __init__(self, site_id: str) -> None:
        super().__init__(site_id)
        self.site_id = site_id


class SiteRules:
    """Of a site that is registered."""

    def __init__(self, settings: SiteSettings) -> None:
        self.kept_parameters = settings.kept_parameters
        # A later version may have set what this one does not know.
        period = settings.visitor_period
        self.visitor_period = period if period in PERIODS else DAY
        self.hosts = frozenset(host for host in settings.hosts if not host.startswith(ANY_HOST))
        self.domains = tuple(host[1:] for host in settings.hosts if host.startswith(ANY_HOST))
        self.takes_any_host = not settings.hosts
        self.paths = matching_any(settings.excluded_paths)
        self.networks: Sequence[Network] = [
            ipaddress.ip_network(network) for network in settings.excluded_addresses
        ]
        self.users = frozenset(settings.excluded_users)

    def check(
        self,
        site_id: str,
        sender: Sender,
        hostname: str | None,
        path: str | None,
        user_id: str | None,
    ) -> None:
        """Raises InvalidInput for an event that the site does not take, and Excluded for one that
        it leaves out."""
        self.check_host(site_id, sender, hostname)
        if self.excludes(sender, path, user_id):
            raise Excluded(site_id)

    def check_host(self, site_id: str, sender: Sender, hostname: str | None) -> None:
        """Of a browser's page, or of what an event says of its own. Of a server that tells neither
        nothing is known, and its events are taken. Raises InvalidInput."""
        if self.takes_any_host:
            return
        origin = sender.origin
        host = host_from(f"{origin}/") if origin and origin != "null" else hostname
        if host is None or host in self.hosts or host.endswith(self.domains):
            return
        raise host_not_allowed(site_id, host)

    def excludes_path(self, path: str) -> bool:
        """With the parameters that are kept of its query, or without them."""
        assert self.paths is not None
        return any(map(self.paths.fullmatch, {path, path.partition("?")[0]}))

    def excludes(self, sender: Sender, path: str | None, user_id: str | None) -> bool:
        """Whether nothing is kept of such an event."""
        if self.users and user_id in self.users:
            return True
        if self.paths is not None and path is not None and self.excludes_path(path):
            return True
        if not self.networks or (address := sender.address()) is None:
            return False
        return any(address in network for network in self.networks)


class KnownSites(NamedTuple):
    """What is set, at one moment; nobody changes it."""

    rules: Mapping[str, SiteRules]
    aliases: Mapping[str, str]
    registered_only: bool

    def named(self, site_id: str) -> str:
        """The site that has this name."""
        return self.aliases.get(site_id, site_id)

    def rules_of(self, site_id: str) -> SiteRules | None:
        """Of a site by its own name; None of one that nobody has registered. Raises
        InvalidInput where such a one may have no events."""
        rules = self.rules.get(site_id)
        if rules is None and self.registered_only:
            raise unknown_site(site_id)
        return rules


def matching_any(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """Of patterns in which * is anything; None where there are none."""
    return re.compile("|".join(map(one_of, patterns)), re.DOTALL) if patterns else None


def one_of(pattern: str) -> str:
    """What stands between two * is found where it comes first, and never looked for again: so no
    path takes more than its length times the pattern's."""
    first, *rest = map(re.escape, pattern.split(ANY))
    if not rest:
        return f"(?:{first})"
    *between, last = rest
    return f"(?:{first}{''.join(f'(?>.*?{part})' for part in between)}.*{last})"

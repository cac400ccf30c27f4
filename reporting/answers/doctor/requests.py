"""What the last requests that ingestion was sent tell of its settings."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from urllib.parse import urlsplit

from reporting.answers.doctor.finding import Findings, error, hint, listed, warning
from reporting.answers.doctor.seen import Seen
from shared.clock import MINUTE_MS
from shared.queue.watching import LOOPBACK, PEER, PRIVATE, PROXY
from shared.settings import is_loopback

NEAR = (LOOPBACK, PRIVATE)
# With fewer from one address nobody can tell.
MANY_REQUESTS = 5
# How far from its arrival an event may have happened: a phone sends what it kept while offline.
FAR_MS = 10 * MINUTE_MS
MANY_UNKNOWN = 10
NO_KEY = ("unauthorized", "wrong_key", "other_site")


def find_untrusted_proxies(seen: Seen) -> Findings:
    """A header tells of visitors, and the connection's address is taken for theirs."""
    trusts = any(door.trusted_proxies for door in seen.doors)
    # Who comes past the proxies, with a header that nobody believes, is no fault.
    passed = [
        each
        for each in seen.noted
        if each.forwarded
        and each.address_from == PEER
        and not (trusts and each.peer_class not in NEAR)
    ]
    if not passed:
        return
    headers = listed(header for each in passed for header in each.forwarded)
    peers = listed(f"{each.peer} ({each.peer_class})" for each in passed)
    has = "does not name it" if trusts else "is empty"
    yield warning(
        "untrusted_proxy",
        "TRUSTED_PROXIES",
        f"{len(passed)} of {len(seen.noted)} requests came with {headers} from {peers}, and "
        f"TRUSTED_PROXIES {has}: the connection's address is taken for the visitor's.",
        "If that is your proxy, name its address or network in TRUSTED_PROXIES of ingestion.",
    )


def find_one_sender(seen: Seen) -> Findings:
    """All that browsers send comes from one address near by."""
    browsers = [
        each
        for each in seen.noted
        if each.origin_host and each.sender and each.host and not is_local(each.host)
    ]
    # Those that come with a header of a proxy's are told of as such.
    is_told = any(each.forwarded or each.address_from != PEER for each in browsers)
    senders = {(each.door, each.sender) for each in browsers}
    doors = {each.door for each in browsers}
    if (
        len(browsers) < MANY_REQUESTS
        or len(senders) > len(doors)
        or is_told
        or any(each.address_class not in (*NEAR, PROXY) for each in browsers)
    ):
        return
    yield warning(
        "one_sender",
        "TRUSTED_PROXIES",
        f"All {len(browsers)} requests of browsers came from one address, in "
        f"{listed(each.address for each in browsers)}: if these were several visitors, it is a "
        "proxy's, and all of them count as one where pages ask for `?users=hashed`.",
        "Let the proxy pass the visitor's address (nginx: `proxy_set_header X-Forwarded-For "
        "$proxy_add_x_forwarded_for;`), and name the proxy in TRUSTED_PROXIES of ingestion.",
    )


def is_local(host: str) -> bool:
    return is_loopback(host) or host.endswith(".localhost")


def find_no_address(seen: Seen) -> Findings:
    """Where addresses are to be read, there is none."""
    without = [each for each in seen.noted if each.address_from is None and each.peer]
    if not without:
        return
    there = listed(header for each in without for header in each.forwarded)
    yield warning(
        "no_address",
        "ADDRESS_HEADER",
        f"Of {len(without)} of {len(seen.noted)} requests no address could be read where "
        f"ADDRESS_HEADER or TRUSTED_PROXIES say that it is; such headers that were there: "
        f"{there or 'none'}.",
        "Name the header that your proxy sets in ADDRESS_HEADER of ingestion, or let the proxy set "
        "it: until then such visitors are nobody.",
    )


def find_refused_origins(seen: Seen) -> Findings:
    refused = [each for each in seen.noted if each.is_origin_refused]
    if not refused:
        return
    origins = listed(f"{each.origin_scheme}://{each.origin_host}" for each in refused)
    yield warning(
        "origin_refused",
        "CORS_ORIGINS",
        f"{len(refused)} requests came from pages that CORS_ORIGINS does not list: {origins}.",
        "List these origins in CORS_ORIGINS of ingestion, as they are here and with their port if "
        "they have one; or leave it empty for any.",
    )


def find_refused_hosts(seen: Seen) -> Findings:
    refused = [each for each in seen.noted if each.code == "host_not_allowed"]
    today = counted(seen, "host_not_allowed")
    if not refused and not today:
        return
    named = listed(f"{each.site_id} from {each.origin_host or 'elsewhere'}" for each in refused)
    sites = named or listed(today)
    yield warning(
        "host_not_allowed",
        None,
        f"Events are refused because their pages are on none of their site's hosts: {sites}; "
        f"{sum(today.values())} today.",
        "If these pages are yours, add their hosts: `footfall sites set SITE --host … --host …`, "
        "which replaces those that were set.",
    )


def find_plain_http(seen: Seen) -> Findings:
    """Pages come by https, and ingestion is asked by http, which browsers refuse."""
    url = seen.settings.public_ingestion_url
    pages = [each for each in seen.noted if each.origin_scheme == "https" and each.host]
    pages = [each for each in pages if each.host and not is_local(each.host)]
    if not pages:
        return
    sites = listed(each.origin_host for each in pages)
    if url and urlsplit(url).scheme == "http":
        yield error(
            "public_url_http",
            "PUBLIC_INGESTION_URL",
            f"Pages come by https ({sites}), and PUBLIC_INGESTION_URL is {url}: browsers load no "
            "script from there and post nothing to it.",
            "Give ingestion TLS, by a proxy in front, and write PUBLIC_INGESTION_URL with https.",
        )
    plain = [each for each in pages if each.forwarded_proto == "http"]
    if plain:
        yield warning(
            "asked_by_http",
            None,
            f"Pages come by https ({listed(each.origin_host for each in plain)}), and "
            f"{listed(each.host for each in plain)} was asked by http, as X-Forwarded-Proto says: "
            "browsers block that, or a proxy tells the wrong scheme.",
            "Let pages load the script from https://, and let the outermost proxy set "
            "X-Forwarded-Proto.",
        )
    unsaid = [each for each in pages if each.forwarded_proto is None]
    if unsaid and not plain:
        yield hint(
            "scheme_unsaid",
            None,
            f"Pages come by https ({listed(each.origin_host for each in unsaid)}), and nobody says "
            "whether ingestion was asked by https, too.",
            "Let the proxy that speaks TLS set X-Forwarded-Proto; without such a proxy browsers "
            "will block what pages send.",
        )


def find_far_clocks(seen: Seen) -> Findings:
    """Events say of themselves that they happened at another time than now."""
    told = [each.ahead_ms for each in seen.noted if each.ahead_ms is not None]
    far = [ahead for ahead in told if abs(ahead) > FAR_MS]
    wrong = [each for each in seen.noted if each.code == "bad_timestamp"]
    if wrong:
        yield warning(
            "bad_timestamp",
            None,
            f"{len(wrong)} requests had a timestamp that cannot be read or lies more than a day "
            f"ahead (sites: {listed(each.site_id for each in wrong) or 'unknown'}).",
            "Have the client send ISO 8601 with its zone, or Unix time, or none: then the time of "
            "arrival counts.",
        )
    if far and 2 * len(far) >= len(told):
        minutes = median(far) / MINUTE_MS
        side = "ahead of" if minutes > 0 else "behind"
        yield warning(
            "far_timestamps",
            None,
            f"{len(far)} of {len(told)} requests brought events that happened {abs(minutes):.0f} "
            f"minutes {side} their arrival (the median of these).",
            "Unless you import what happened before: set the client's clock, let it write the "
            "zone of its timestamps, or send none.",
        )


def find_unknown_sites(seen: Seen) -> Findings:
    refused = [each for each in seen.noted if each.code == "unknown_site"]
    today = sum(counted(seen, "unknown_site").values())
    if max(today, len(refused)) < MANY_UNKNOWN:
        return
    named = listed(each.site_id for each in refused)
    yield warning(
        "unknown_sites",
        "REGISTERED_SITES_ONLY",
        f"{max(today, len(refused))} events of sites that nobody has registered were refused "
        f"today{': ' + named if named else ''}.",
        "If they are yours, register them with `footfall sites create`, or as another name of one "
        "with --alias; or set REGISTERED_SITES_ONLY=false.",
    )


def find_stray_paths(seen: Seen) -> Findings:
    """A proxy has left a path of its own before ours."""
    strays = [each for each in seen.noted if each.code == "not_found"]
    if strays:
        yield error(
            "stray_path",
            None,
            f"{len(strays)} requests came under paths that ingestion does not know, and that end "
            f"as its own do ({listed(each.path for each in strays)}): nothing is kept of them.",
            "Let the proxy take off what it has before that (nginx: a slash at the end of "
            "`location` and of `proxy_pass`), or put the address in the page right.",
        )


def find_keyless_pages(seen: Seen) -> Findings:
    refused = [each for each in seen.noted if each.code in NO_KEY]
    pages = [each for each in refused if each.origin_host]
    if pages:
        yield error(
            "page_without_key",
            "INGEST_AUTH",
            f"Pages ({listed(each.origin_host for each in pages)}) post without a key that lets "
            "them, and INGEST_AUTH asks for one.",
            "A page cannot keep a key: set INGEST_AUTH=false where browsers post.",
        )
    elif refused:
        yield warning(
            "key_refused",
            "INGEST_AUTH",
            f"INGEST_AUTH asks for a key, and {len(refused)} requests had none that lets them post "
            f"({listed(each.code for each in refused)}).",
            "Give these clients a key: `footfall keys create --kind ingest`; `footfall keys list` "
            "tells which have ended.",
        )


def counted(seen: Seen, code: str) -> Counter[str]:
    """How many events were refused so today, by site."""
    found: Counter[str] = Counter()
    for refused, number in seen.redis.refused_today.items():
        if refused.code == code:
            found[refused.site_id] += number
    return found


OF_REQUESTS: Sequence[Callable[[Seen], Findings]] = (
    find_untrusted_proxies,
    find_one_sender,
    find_no_address,
    find_refused_origins,
    find_refused_hosts,
    find_plain_http,
    find_far_clocks,
    find_unknown_sites,
    find_stray_paths,
    find_keyless_pages,
)

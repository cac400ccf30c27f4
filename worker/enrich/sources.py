"""What a referrer resolves to: the site or the app that sent the visitor, by its host.

Hosts that stand for one site count as one where the table or a rule below says so; what a host is,
shared/urls.py says. No input raises.
"""

import re
from functools import lru_cache

from shared.fields import MAX_NAME
from shared.urls import host_from, site_from, without_www

# The same few pages link to a site again and again. What is longer than most is not kept: anybody
# may send referrers of 2 kB, and those of this length take 5 MB at most.
CACHED_REFERRERS = 4096
MAX_CACHED = 300

# Hosts that only pass visitors on, or show the same site under another name.
SAME_SITE = {
    "away.vk.com": "vk.com",
    "cn.bing.com": "bing.com",
    "l.facebook.com": "facebook.com",
    "l.instagram.com": "instagram.com",
    "l.threads.net": "threads.net",
    "lm.facebook.com": "facebook.com",
    "lnkd.in": "linkedin.com",
    "new.reddit.com": "reddit.com",
    "old.reddit.com": "reddit.com",
    "out.reddit.com": "reddit.com",
    "t.co": "twitter.com",
    "web.facebook.com": "facebook.com",
    "x.com": "twitter.com",
    "youtu.be": "youtube.com",
}
URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
# The same site, for phones.
PREFIXES = ("m.", "mobile.")
# google.de, google.co.uk, google.com.br; what has a name of its own, like news.google.com, stays.
GOOGLE = re.compile(r"google\.(?:(?:com?\.)?[a-z]{2}|cat)")


def source_from(referrer: str | None, site_id: str, hostname: str | None = None) -> str | None:
    """The source; None for no referrer, one of the site itself, or a URL that names no host.

    The site itself is `hostname`, which shows the page, and what `site_id` names. What is no URL,
    such as `newsletter`, is a source by itself.
    """
    is_kept = len(referrer or "") <= MAX_CACHED
    return (cached_source if is_kept else find_source)(referrer, site_id, hostname)


def find_source(referrer: str | None, site_id: str, hostname: str | None) -> str | None:
    text = (referrer or "").strip()
    if not URL.match(text):
        return text[:MAX_NAME].rstrip() or None
    host = host_from(f"https:{text}" if text.startswith("//") else text)
    if host is None:
        return None
    name = site_name(host)
    own = {site_name(site_from(own)) for own in (site_id, hostname) if own}
    return None if name in own else name


cached_source = lru_cache(maxsize=CACHED_REFERRERS)(find_source)


def site_name(host: str) -> str:
    """One name for all hosts of a site, as far as we know them."""
    host = without_www(host)
    for prefix in PREFIXES:
        rest = host.removeprefix(prefix)
        host = rest if "." in rest else host  # mobile.de is a site
    return "google.com" if GOOGLE.fullmatch(host) else SAME_SITE.get(host, host)

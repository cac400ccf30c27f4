"""What a referrer resolves to: the site or the app that sent the visitor, by its host.

Hosts that stand for one site count as one where the table or a rule below says so. No input raises.
"""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from shared.fields import MAX_NAME

# The same few pages link to a site again and again. A referrer may have 2 kB, hence no more.
CACHED_REFERRERS = 4096

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
# The same site, for desks and for phones.
PREFIXES = ("www.", "m.", "mobile.")
# google.de, google.co.uk, google.com.br; what has a name of its own, like news.google.com, stays.
GOOGLE = re.compile(r"google\.(?:(?:com?\.)?[a-z]{2}|cat)")


@lru_cache(maxsize=CACHED_REFERRERS)
def source_from(referrer: str | None, site_id: str) -> str | None:
    """The source; None for no referrer, one of the site itself, or a URL that names no host.

    What is no URL, such as `newsletter`, is a source by itself.
    """
    text = (referrer or "").strip()
    if not URL.match(text):
        return text[:MAX_NAME].rstrip() or None
    name = site_name(host_from(text))[:MAX_NAME]
    return None if name == site_name(site_id.lower()) else name or None


def host_from(url: str) -> str:
    """The host in lower case, without user, port and brackets; empty where there is none."""
    try:
        # Its port is not asked for: a bad one would raise, and says nothing of the host.
        return urlsplit(url).hostname or ""
    except ValueError:  # `http://[`, or a host that holds a slash once normalised
        return ""


def site_name(host: str) -> str:
    """One name for all hosts of a site, as far as we know them."""
    host = host.strip().rstrip(".")
    for prefix in PREFIXES:
        rest = host.removeprefix(prefix)
        host = rest if "." in rest else host  # mobile.de is a site
    return "google.com" if GOOGLE.fullmatch(host) else SAME_SITE.get(host, host)

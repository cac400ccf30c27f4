"""What is set for sites, and which keys there are, as Redis has it for the door: all of it at once,
under a version.
"""

import secrets
from typing import Any, NamedTuple

import msgspec

from shared.keys.keys import NO_KEYS, Key, Keys
from shared.queue.connections import Script
from shared.queue.event_queue import EventQueue
from shared.sites.settings import Sites, SiteSettings

# KEYS[1] is the hash; ARGV[1] the version that was there, ARGV[2] the new one, ARGV[3] the stamp of
# what was read from the database, ARGV[4] the sites, ARGV[5] the keys.
PUBLISH = """
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'stamp', ARGV[3], 'sites', ARGV[4], 'keys', ARGV[5])
return 1
"""

encode = msgspec.json.Encoder().encode
decode_sites = msgspec.json.Decoder(dict[str, SiteSettings]).decode
decode_keys = msgspec.json.Decoder(dict[str, Key]).decode


class Published(NamedTuple):
    """In this order it is kept in a file. Where an earlier version was at work nobody knows of
    keys: None."""

    version: str
    sites: Sites
    keys: Keys | None = None


class PublishedSites:
    """Where they are. What it calls raises redis.RedisError."""

    def __init__(self, queue: EventQueue) -> None:
        self.redis = queue.redis
        self.key = f"{queue.prefix}:sites"
        self._publish = Script(self.redis, PUBLISH)

    def fetch_version(self) -> str:
        """Empty where nothing is published."""
        return self.read("version")[0].decode()

    def fetch(self) -> Published | None:
        version, sites, keys = self.read("version", "sites", "keys")
        if not version:
            return None
        its_keys = decode_keys(keys) if keys else None
        return Published(version.decode(), decode_sites(sites), its_keys)

    def fetch_state(self) -> tuple[bytes, str | None]:
        """The version, and the stamp of what was read from the database; None of nothing."""
        version, stamp = self.read("version", "stamp")
        return version, stamp.decode() if version else None

    def read(self, *names: str) -> list[bytes]:
        """Parts of what is published, of one moment; empty where nothing is."""
        found: list[Any] = self.redis.hmget(self.key, *names)
        return [part or b"" for part in found]

    def replace(self, version: bytes, stamp: str, sites: Sites, keys: Keys = NO_KEYS) -> bool:
        """Publish these, unless somebody has since that version was there."""
        args = (version, secrets.token_hex(8), stamp, encode(sites), encode(keys))
        return bool(self._publish(keys=[self.key], args=args))

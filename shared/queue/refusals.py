"""What ingestion processes tell Redis of what they refused, by site and UTC day.

These are counts beside the ledger, never of it. How many rows a day has is bounded: behind that,
whatever names the clients think up are one row, without a site.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import redis

from shared.clock import DAY_MS
from shared.queue.connections import Script

# Of a day.
MOST_ROWS = 1_000
KEPT_DAYS = 90
KEPT_MS = KEPT_DAYS * DAY_MS
NO_SITE = ""

# KEYS[1] is a day's hash, ARGV[1] how many fields it may have, ARGV[2] for how long it is kept, in
# ms; then for each row its field, the field of the same without a site, and the number to add.
ADD = """
local most = tonumber(ARGV[1])
for i = 3, #ARGV, 3 do
    local field = ARGV[i]
    if redis.call('HLEN', KEYS[1]) >= most and redis.call('HEXISTS', KEYS[1], field) == 0 then
        field = ARGV[i + 1]
    end
    redis.call('HINCRBY', KEYS[1], field, ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


# KEYS[1] is a day's hash; then for each row its field, and that of the same without a site.
FORGET = """
for i = 1, #ARGV, 2 do
    local number = redis.call('HGET', KEYS[1], ARGV[i])
    if number then
        redis.call('HDEL', KEYS[1], ARGV[i])
        redis.call('HINCRBY', KEYS[1], ARGV[i + 1], number)
    end
end
"""


class Refused(NamedTuple):
    """What was refused alike; `site_id` is NO_SITE where the request does not tell it."""

    site_id: str
    status: int
    code: str


encode_refused = msgspec.json.Encoder().encode
decode_refused = msgspec.json.Decoder(Refused).decode


def add_refusals(script: Script, key: str, counts: Mapping[Refused, int]) -> None:
    """Add to those of the day whose hash is at `key`. Raises redis.RedisError."""
    rows: list[bytes | int] = []
    for refused, number in counts.items():
        rows += [encode_refused(refused), encode_refused(refused._replace(site_id=NO_SITE)), number]
    script(keys=[key], args=[MOST_ROWS, KEPT_MS + DAY_MS, *rows])


def fetch_refusals(
    client: "redis.Redis", prefix: str, days: Sequence[int]
) -> dict[int, Counter[Refused]]:
    """Those of days, by when each begins in ms. Raises redis.RedisError."""
    with client.pipeline(transaction=False) as pipeline:
        for day in days:
            pipeline.hgetall(f"{prefix}{day}")
        found = pipeline.execute()
    return {
        day: Counter({decode_refused(field): int(number) for field, number in rows.items()})
        for day, rows in zip(days, found, strict=True)
        if rows
    }


def forget_refusals(
    client: "redis.Redis", forget: Script, prefix: str, site_id: str, days: Sequence[int]
) -> None:
    """Let those of a site be no site's, on these days. Raises redis.RedisError."""
    for day, found in fetch_refusals(client, prefix, days).items():
        rows: list[bytes] = []
        for refused in found:
            if refused.site_id == site_id:
                nameless = refused._replace(site_id=NO_SITE)
                rows += [encode_refused(refused), encode_refused(nameless)]
        if rows:
            forget(keys=[f"{prefix}{day}"], args=rows)

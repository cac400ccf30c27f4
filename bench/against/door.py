"""A version's door under wrk, with single events and with batches."""

from functools import partial

from bench.against.figures import Measured, Measures
from bench.against.programs import Program, cpu_seconds
from bench.against.versions import Version
from bench.door import BATCH, WARM_UP_SECONDS, door_settings, post_events
from tests.servers import ValkeyServer


def door_measures(valkey: ValkeyServer, setups: tuple[str, ...], seconds: int) -> Measures:
    """Events a second by setup, each for so many seconds."""
    return {
        f"door on {setup}, {name}": partial(measure_door, valkey, setup, batch, seconds)
        for setup in setups
        for name, batch in (("single events", 1), (f"batches of {BATCH}", BATCH))
    }


def measure_door(
    valkey: ValkeyServer, setup: str, batch: int, seconds: int, version: Version
) -> Measured:
    """A fresh server and an empty Redis, whose CPU counts as well."""
    with valkey.client() as client:
        client.flushall()
    with Program(version, "ingestion", door_settings(setup, valkey.url)) as door:
        url = f"{door.url}/event"
        post_events(url, WARM_UP_SECONDS, batch=batch)
        before = cpu_seconds(door, valkey)
        found = post_events(url, seconds, batch=batch)
        used = cpu_seconds(door, valkey) - before
    return Measured(found.rate * batch, used / (found.requests * batch))

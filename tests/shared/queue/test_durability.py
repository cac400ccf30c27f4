"""What servers and clients answer when they are asked for the eviction policy."""

from typing import Any

import pytest
import redis

from shared.queue.durability import check_durability, eviction, fetch_policy, policy_in
from tests.servers import ValkeyServer


@pytest.mark.parametrize(
    ("answer", "policy"),
    [
        (b"# Memory\r\nused_memory:1\r\nmaxmemory_policy:allkeys-lru\r\n", "allkeys-lru"),
        ("# Memory\r\nmaxmemory_policy:noeviction\r\n", "noeviction"),
        ({"used_memory": 1, "maxmemory_policy": "volatile-lru"}, "volatile-lru"),
        ({b"maxmemory-policy": b"noeviction"}, "noeviction"),
        ([b"maxmemory-policy", b"allkeys-random"], "allkeys-random"),
        ([], None),
        ({}, None),
        (b"# Memory\r\nused_memory:1\r\n", None),
    ],
)
def test_the_policy_is_found_in_whatever_form_it_comes(answer: Any, policy: str | None) -> None:
    assert policy_in(answer) == policy


def test_only_noeviction_keeps_what_waits_and_silence_is_no_reason() -> None:
    assert eviction("noeviction") is None
    assert eviction(None) is None
    assert "(volatile-ttl)" in str(eviction("volatile-ttl"))


def test_a_server_that_cannot_serve_is_no_server_that_tells_nothing() -> None:
    def answer(*_: str) -> Any:
        raise error

    error = redis.ResponseError("NOPERM no permissions to run the 'info' command")
    assert fetch_policy(answer) is None
    error = redis.ResponseError("NOAUTH Authentication required.")
    with pytest.raises(redis.ResponseError, match="NOAUTH"):
        fetch_policy(answer)


def test_a_redis_that_keeps_what_it_acknowledged_is_durable(valkey: ValkeyServer) -> None:
    with valkey.client() as client:
        assert check_durability(client) is None

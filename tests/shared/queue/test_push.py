"""The held connection's own small client of the Redis protocol, against a real Valkey."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.queue import push
from shared.queue.connections import connect
from shared.queue.push import PushScript
from shared.settings import Settings
from tests.servers import ValkeyServer

# Answers with what it was called with; a first event of the form "wait 0.3" is waited for.
ECHO = """
local seconds = string.match(ARGV[3] or '', '^wait (.+)$')
if seconds then
  local enough = os.clock() + tonumber(seconds)
  while os.clock() < enough do end
end
if ARGV[3] == 'fail' then return redis.error_reply('ERR as told') end
return {KEYS[1], ARGV[1], {unpack(ARGV, 3)}}
"""


@pytest.fixture(params=[True, False], ids=["looks", "sleeps"])
def echo(valkey: ValkeyServer, request: pytest.FixtureRequest) -> Iterator[PushScript]:
    client = connect(Settings(redis_url=valkey.url), timeout_seconds=0.5)
    script = PushScript(client, ECHO, keys=("key",), args=(7, 8), looks=request.param)
    yield script
    script.disconnect()
    client.close()


def test_keys_arguments_and_events_arrive_as_they_are(echo: PushScript) -> None:
    @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.binary(), min_size=1, max_size=5))
    def check(events: list[bytes]) -> None:
        assert echo(events) == [b"key", b"7", events]

    check()


def test_many_and_large_events_are_one_call(echo: PushScript) -> None:
    for events in ([b"%d" % n for n in range(1000)], [b"x" * 1_000_000, b"", b"y" * 300_000]):
        assert echo(events) == [b"key", b"7", events]


def test_an_answer_that_takes_longer_than_a_look_is_waited_for(echo: PushScript) -> None:
    assert echo([b"wait 0.05", b"1"])[2] == [b"wait 0.05", b"1"]


def test_an_error_is_raised_and_the_next_call_works(echo: PushScript) -> None:
    for _ in range(3):
        with pytest.raises(redis.ResponseError, match="as told"):
            echo([b"fail"])
        assert echo([b"1"])[2] == [b"1"]


def test_a_late_answer_is_never_taken_for_another_calls(
    echo: PushScript, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "HUNG_SECONDS", 0.0)
    echo([b"0"])
    with pytest.raises(redis.TimeoutError):
        echo([b"wait 0.7", b"late"])
    wait_for(valkey)
    for number in range(3):
        assert echo([b"%d" % number])[2] == [b"%d" % number]


def wait_for(valkey: ValkeyServer) -> None:
    """Until the script is done that nobody waits for any more."""
    with valkey.client() as client:
        client.ping()


def test_after_silence_the_next_callers_do_not_ask(
    echo: PushScript, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo([b"0"])
    before = calls(valkey)
    with monkeypatch.context() as patched:
        patched.setattr(push, "HUNG_SECONDS", 60.0)  # so that none of these comes too late
        for event in (b"wait 0.6", b"1", b"2", b"3"):
            with pytest.raises(redis.TimeoutError):
                echo([event])
    wait_for(valkey)
    assert calls(valkey) == before + 1


def calls(valkey: ValkeyServer) -> int:
    """How often a script was called so far."""
    with valkey.client() as client:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_silence_is_forgotten_after_a_while(echo: PushScript, valkey: ValkeyServer) -> None:
    echo([b"0"])
    with pytest.raises(redis.TimeoutError):
        echo([b"wait 0.6"])
    wait_for(valkey)
    time.sleep(push.HUNG_SECONDS)
    assert echo([b"1"])[2] == [b"1"]


def test_each_thread_has_a_connection_of_its_own(echo: PushScript) -> None:
    def call(number: int) -> bool:
        events = [b"%d" % number] * 3
        return bool(echo(events)[2] == events)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(call, range(2000)))

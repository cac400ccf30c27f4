"""Errors as redis-py makes them, and as our own connections do."""

from collections.abc import Callable

import pytest
import redis
from redis._parsers.base import BaseParser

from shared.queue.faults import explained, leads_elsewhere
from shared.queue.push_command import reply_error

ELSEWHERE = [
    "READONLY You can't write against a read only replica. script: 0f1, on @user_script:3.",
    "NOSCRIPT No matching script.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "LOADING Valkey is loading the dataset in memory",
    "NOAUTH Authentication required.",
    "UNBLOCKED force unblock from blocking operation, instance state changed",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "NOREPLICAS Not enough good replicas to write.",
    "CLUSTERDOWN Hash slot not served",
    "MOVED 3999 127.0.0.1:6381",
    "ERR Error running script (call to f_0f1): @user_script:3: -READONLY You can't write",
]
HERE = [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM User default has no permissions to run the 'info' command",
    "ERR unknown command 'INFO', with args beginning with: 'READONLY '",
    "ERR max number of clients reached",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "BUSY Valkey is busy running a script.",
]
MADE_BY: list[Callable[[str], Exception]] = [BaseParser.parse_error, reply_error]


@pytest.mark.parametrize("make", MADE_BY, ids=["redis-py", "held connection"])
class TestAnswers:
    @pytest.mark.parametrize("message", ELSEWHERE)
    def test_a_server_that_cannot_serve_is_left(
        self, make: Callable[[str], Exception], message: str
    ) -> None:
        assert leads_elsewhere(make(message))
        assert explained(make(message)).startswith("it ")

    @pytest.mark.parametrize("message", HERE)
    def test_a_server_that_refuses_one_command_is_not_left(
        self, make: Callable[[str], Exception], message: str
    ) -> None:
        assert not leads_elsewhere(make(message))
        assert explained(make(message))


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("Connection closed by server."),
        redis.ConnectionError("READY to fail"),
        redis.TimeoutError("no answer in time"),
        OSError("READONLY file system"),
        redis.WatchError("Watched variable changed."),
    ],
)
def test_a_connection_that_broke_says_nothing_of_others(error: Exception) -> None:
    assert not leads_elsewhere(error)
    assert explained(error) == str(error)


def test_the_commands_of_a_pipeline_keep_their_codes() -> None:
    error = MADE_BY[0]("READONLY You can't write against a read only replica.")
    redis.Redis().pipeline().annotate_exception(error, 1, ("DEL", "key"))  # type: ignore[no-untyped-call]
    assert leads_elsewhere(error)

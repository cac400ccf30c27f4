"""A Redis that refuses us is told from one that is away."""

import ssl
from dataclasses import replace

import pytest
import redis

from shared.errors import BadSetting, Unavailable
from shared.queue.answering import is_passing, require_redis
from shared.settings import Settings
from tests.servers import ValkeyServer, free_port


def test_one_that_answers_will_do(settings: Settings) -> None:
    require_redis(settings)


def test_one_that_is_away_is_named(settings: Settings) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    with pytest.raises(Unavailable, match=r"^REDIS_URL: no answer from redis://:\*\*\*@127"):
        require_redis(replace(settings, redis_url=url))


def test_an_embedded_one_that_is_away_says_how_to_get_it(settings: Settings) -> None:
    with pytest.raises(Unavailable, match="make valkey"):
        require_redis(replace(settings, redis_url=""))


def test_one_that_has_no_such_database_refuses(settings: Settings, valkey: ValkeyServer) -> None:
    with pytest.raises(BadSetting, match="DB index is out of range"):
        require_redis(replace(settings, redis_url=f"{valkey.url}?db=99"))


def test_one_that_asks_for_a_password_refuses(settings: Settings, valkey: ValkeyServer) -> None:
    with valkey.client() as client:
        client.config_set("requirepass", "sesame")
        try:
            with pytest.raises(BadSetting, match=r"^REDIS_URL: cannot use unix://"):
                require_redis(settings)
        finally:
            client.config_set("requirepass", "")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (redis.ConnectionError("refused"), True),
        (redis.TimeoutError("no answer"), True),
        (redis.BusyLoadingError("LOADING"), True),
        (redis.exceptions.MasterDownError("MASTERDOWN"), True),
        (redis.exceptions.MaxConnectionsError("too many"), True),
        (redis.AuthenticationError("WRONGPASS"), False),
        (redis.exceptions.AuthorizationError("no"), False),
        (redis.exceptions.NoPermissionError("NOPERM"), False),
        (redis.ResponseError("ERR"), False),
        (redis.exceptions.InvalidResponse("HTTP/1.1"), False),
    ],
    ids=repr,
)
def test_what_passes_is_waited_for(error: Exception, passes: bool) -> None:
    assert is_passing(error) is passes


def test_a_certificate_that_is_not_trusted_does_not_mend_itself() -> None:
    error = redis.ConnectionError("cannot connect")
    error.__context__ = ssl.SSLCertVerificationError("self-signed")
    assert not is_passing(error)

"""Whether the Redis of the settings answers, and lets us in."""

import ssl

import redis

from shared.errors import BadSetting, Unavailable
from shared.queue.connections import connect
from shared.settings import Settings, masked

TIMEOUT_SECONDS = 5.0
# It is there, and will take commands: it reads its file, has too many clients, lost its primary.
PASSING = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.MasterDownError)
# redis-py calls these errors of the connection; a password does not mend itself.
REFUSALS = (redis.AuthenticationError, redis.exceptions.AuthorizationError)


def require_redis(settings: Settings) -> None:
    """Raises BadSetting where Redis refuses us, or is none, and Unavailable where it is away."""
    try:
        with connect(settings, TIMEOUT_SECONDS) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        if is_passing(error):
            raise Unavailable("queue_unavailable", explain_absence(settings, error)) from error
        address = masked(settings.redis_address)
        raise BadSetting(f"REDIS_URL: cannot use {address}: {error}") from error


def is_passing(error: Exception) -> bool:
    if isinstance(error, REFUSALS) or isinstance(error.__context__, ssl.SSLCertVerificationError):
        return False
    return isinstance(error, PASSING)


def explain_absence(settings: Settings, error: Exception) -> str:
    if settings.redis_url:
        return f"REDIS_URL: no answer from {masked(settings.redis_url)}: {error}"
    return (
        "REDIS_URL: is empty, and no embedded Valkey answers in "
        f"{settings.data_dir.resolve() / 'valkey'}; start `make run` or `make valkey`, "
        "or set REDIS_URL"
    )

"""Whether a Redis keeps what it acknowledged: it writes to a file, and evicts nothing."""

from collections.abc import Callable
from typing import Any

import redis

from shared.queue.faults import leads_elsewhere

# How long the door goes by what it was told: a policy may be changed at any moment.
POLICY_SECONDS = 10.0
# Either tells the policy; a managed service may forbid one, or both.
QUESTIONS = (("INFO", "memory"), ("CONFIG", "GET", "maxmemory-policy"))
NAMES = ("maxmemory_policy", "maxmemory-policy")


def check_durability(client: "redis.Redis") -> str | None:
    """Why this Redis may lose what it acknowledged, or None where it keeps it or does not tell.

    Raises redis.RedisError.
    """
    try:
        if client.info("persistence").get("aof_enabled") == 0:
            return "Redis has no append-only file: set `appendonly yes`, or a restart loses events"
    except redis.exceptions.NoPermissionError:
        pass
    return eviction(fetch_policy(client.execute_command))


def eviction(policy: str | None) -> str | None:
    """Why events that wait may be evicted, or None where they are not, or nobody tells."""
    if policy in (None, "noeviction"):
        return None
    return f"Redis evicts keys ({policy}): set `maxmemory-policy noeviction`"


def fetch_policy(execute: Callable[..., Any]) -> str | None:
    """What is evicted from a Redis that is full; None where it does not tell.

    `execute` sends one command, given by its words. Raises redis.RedisError.
    """
    for words in QUESTIONS:
        try:
            policy = policy_in(execute(*words))
        except redis.ResponseError as error:
            if leads_elsewhere(error):
                raise
        else:
            if policy:
                return policy
    return None


def policy_in(answer: Any) -> str | None:
    """The policy that an answer to one of QUESTIONS tells, however the client hands it out."""
    if isinstance(answer, dict):
        pairs = [(as_text(name), as_text(value)) for name, value in answer.items()]
    elif isinstance(answer, list):
        texts = [as_text(part) for part in answer]
        pairs = list(zip(texts[::2], texts[1::2], strict=False))
    else:
        lines = as_text(answer).splitlines()
        pairs = [(name, value) for name, _, value in (line.partition(":") for line in lines)]
    return next((value for name, value in pairs if name in NAMES), None)


def as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

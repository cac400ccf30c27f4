"""What an error that Redis answers means: whether it is of this connection's server, and in words.

Pure functions of the error, for whoever speaks to Redis, by whatever client.
"""

import re

import redis

# Of a server that is not, or is no longer, the one to talk to; the same address may lead to another
# by now. Not among them: OOM, for only workers who go on can empty a Redis that is full; WRONGPASS
# and NOPERM, for connections that are let in already may work as before.
ELSEWHERE = {
    "READONLY": "it is a replica, which takes no writes",
    "NOSCRIPT": "it keeps no scripts",
    "MASTERDOWN": "it is a replica that has lost its primary",
    "LOADING": "it is still reading its data from disk",
    "NOAUTH": "it asks for a password; set one in REDIS_URL",
    "UNBLOCKED": "it has become a replica",
    "MISCONF": "it cannot write to its disk, see its log",
    "NOREPLICAS": "it has fewer replicas than its min-replicas-to-write",
    "CLUSTERDOWN": "it belongs to a cluster that is down",
    "MOVED": "it belongs to a cluster, and Footfall speaks to single servers",
}
HERE = {
    "OOM": "it is out of memory; raise its maxmemory",
    "WRONGPASS": "it refuses the password of REDIS_URL",
    "NOPERM": "the user of REDIS_URL may not do that",
}
MEANINGS = ELSEWHERE | HERE
CODE = re.compile(r"([A-Z]+)\b")
# Redis 6 puts what a script ran into behind words of its own.
CODE_IN_SCRIPT = re.compile(r"^(?:ERR )?Error running script .*: -([A-Z]+) ")


def leads_elsewhere(error: BaseException) -> bool:
    """Whether a connection that got this error is of no use any more, nor are those opened with it.

    NOSCRIPT counts: whoever sends a script by its digest sends it whole before asking this. An
    error of the connection itself does not: it is closed already, and says nothing of the others.
    """
    return code_of(error) in ELSEWHERE


def is_refusal(error: BaseException) -> bool:
    """Whether nothing of the command that got this error was executed."""
    return code_of(error) in MEANINGS


def explained(error: BaseException) -> str:
    """What is wrong, for an operator: our words where there are some, else the error's own."""
    return MEANINGS.get(code_of(error), str(error))


def code_of(error: BaseException) -> str:
    """The first word of an answer that is an error, as READONLY; empty for any other error."""
    if not isinstance(error, redis.RedisError):
        return ""
    if error.status_code and error.status_code != "ERR":  # redis-py has cut it off the message
        return error.status_code
    message = str(error)
    found = CODE_IN_SCRIPT.search(message) or CODE.match(message)
    return found[1] if found else ""

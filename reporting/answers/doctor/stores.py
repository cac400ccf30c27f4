"""What is wrong with Redis, the database, and those who work behind the queue."""

from collections.abc import Callable, Sequence

from reporting.answers.doctor.finding import Findings, error, warning
from reporting.answers.doctor.seen import Seen


def find_redis(seen: Seen) -> Findings:
    redis = seen.redis
    if redis.problem is not None:
        yield error(
            "redis_away",
            "REDIS_URL",
            sentence(f"Redis does not answer: {redis.problem}"),
            "Start it, or put REDIS_URL right; events wait in ingestion's spool meanwhile.",
        )
        return
    if redis.unsafe is not None:
        yield error(
            "redis_unsafe",
            "REDIS_URL",
            sentence(redis.unsafe),
            "Give the Redis of REDIS_URL `appendonly yes` and `maxmemory-policy noeviction`; for "
            "`appendfsync` see docs/operating.md.",
        )
    if redis.unwatched is not None:
        yield warning(
            "unwatched",
            "REDIS_URL",
            f"Requests cannot be looked at: {redis.unwatched}.",
            "Let the user of REDIS_URL write the keys below REDIS_KEY, on the primary.",
        )


def find_database(seen: Seen) -> Findings:
    database = seen.database
    if database.problem is not None:
        yield error(
            "database_away",
            "DATABASE_URL",
            sentence(database.problem),
            "Start it, or put DATABASE_URL right; events wait in Redis meanwhile.",
        )
    elif database.lack:
        yield error(
            "not_migrated",
            "DATABASE_URL",
            f"The database of DATABASE_URL {database.lack}.",
            "Run `make migrate` (`footfall migrate`), then start the workers.",
        )


def find_workers(seen: Seen) -> Findings:
    if seen.redis.problem is not None:
        return
    if not seen.redis.workers:
        yield error(
            "no_workers",
            "REDIS_URL",
            "No worker has told of itself within ten seconds: nothing that waits is stored.",
            "Start one (`make worker`) with these REDIS_URL, REDIS_KEY and REDIS_QUEUE_NAME, and "
            "read its log where it ends.",
        )
    if not seen.redis.periodic:
        yield warning(
            "no_periodic",
            None,
            "No periodic process is seen: nothing is merged, pruned or compared.",
            "Start one (`make periodic`) with these REDIS_URL and REDIS_QUEUE_NAME.",
        )


def find_not_merged(seen: Seen) -> Findings:
    for told in seen.database.not_merged:
        yield warning(
            "not_merged",
            None,
            sentence(told),
            "Start the periodic process (`make periodic`), or read its log.",
        )


def find_dead_letters(seen: Seen) -> Findings:
    if seen.database.dead:
        yield warning(
            "dead_letters",
            None,
            f"The database has refused {seen.database.dead} events, which wait as dead letters.",
            "See why with `footfall dead-letters list`; then requeue or discard them.",
        )


def find_silent_spools(seen: Seen) -> Findings:
    if seen.redis.silent_spooled:
        yield warning(
            "silent_spool",
            "DATA_DIR",
            f"{seen.redis.silent_spooled} events are in spools of which nothing was heard for a "
            "day.",
            "Start the ingestion that has them in its DATA_DIR, or bring that disk back; after 30 "
            "days they are given up.",
        )


def sentence(text: str) -> str:
    """Begun with a capital, and ended."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}" + ("" if text.endswith("?") else ".")


OF_STORES: Sequence[Callable[[Seen], Findings]] = (
    find_redis,
    find_database,
    find_workers,
    find_not_merged,
    find_dead_letters,
    find_silent_spools,
)

"""What the processes tell of themselves, and their clocks, files and keys."""

from collections.abc import Callable, Sequence

from reporting.answers.doctor.finding import Finding, Findings, error, hint, listed, warning
from reporting.answers.doctor.seen import Seen
from shared.clock import DAY_MS, SECOND_MS, iso_from_ms
from shared.settings import is_loopback

# Further apart than that, an event may be counted on the wrong day, and a key end too soon.
CLOCK_MS = 5 * SECOND_MS
# MaxMind's files are made anew twice a week.
OLD_FILE_DAYS = 90
SOON_DAYS = 7
# After so long an ingestion that runs has told of itself.
HEARD_MS = 5 * SECOND_MS


def find_clocks(seen: Seen) -> Findings:
    clocks = [("this machine", seen.redis.ahead_ms)]
    clocks += [(f"ingestion {door.name}", door.ahead_ms) for door in seen.doors]
    for name, ahead in clocks:
        if seen.redis.problem is None and abs(ahead) > CLOCK_MS:
            yield clock_off(name, ahead, "Redis")
    if abs(seen.database.ahead_ms or 0) > CLOCK_MS:
        yield clock_off("this machine", seen.database.ahead_ms or 0, "the database")


def clock_off(name: str, ahead_ms: int, other: str) -> Finding:
    side = "ahead of" if ahead_ms > 0 else "behind"
    return warning(
        "clock_off",
        None,
        f"The clock of {name} is {abs(ahead_ms) / SECOND_MS:.0f} s {side} that of {other}.",
        "Let NTP set the clocks of all machines (`timedatectl set-ntp true`): events are counted "
        "by the day of ingestion's.",
    )


def find_country_file(seen: Seen) -> Findings:
    for problem in dict.fromkeys(door.country_problem for door in seen.doors):
        if problem is not None:
            yield warning(
                "country_database",
                "COUNTRY_DATABASE",
                f"{problem}.",
                "Put a MaxMind database with countries there, by renaming, that ingestion may "
                "read, and restart ingestion.",
            )
    built = [door.country_built_at for door in seen.doors if door.country_built_at is not None]
    days = (seen.now - min(built, default=seen.now)) // DAY_MS
    if days > OLD_FILE_DAYS:
        yield warning(
            "country_database_old",
            "COUNTRY_DATABASE",
            f"The file of COUNTRY_DATABASE was made {days} days ago: networks have moved since.",
            "Replace it by a new one, by renaming, and restart ingestion; `geoipupdate` does so "
            "each week.",
        )


def find_open_services(seen: Seen) -> Findings:
    settings = seen.settings
    if not settings.api_auth and not is_loopback(settings.reporting_host):
        yield warning(
            "reporting_open",
            "API_AUTH",
            f"Reporting listens on {settings.reporting_host} without a key: whoever reaches that "
            "address reads every number.",
            "Set API_AUTH to a key, such as the output of `openssl rand -hex 24`, unless a proxy "
            "asks for a password.",
        )
    hosts = [door.host for door in seen.doors if not door.has_key and not is_loopback(door.host)]
    if hosts:
        yield warning(
            "ingestion_open",
            "API_AUTH",
            f"Ingestion listens on {listed(hosts)} without a key: whoever reaches that address "
            "reads its /metrics.",
            "Set API_AUTH of ingestion to reporting's key. Browsers post without it as long as "
            "INGEST_AUTH is false.",
        )


def find_ending_keys(seen: Seen) -> Findings:
    for key in seen.database.keys:
        # One that was rotated is meant to end.
        if key.expires_at is None or key.successor is not None or key.expires_at <= seen.now:
            continue
        if key.expires_at - seen.now <= SOON_DAYS * DAY_MS:
            name = f" ({key.name})" if key.name else ""
            yield warning(
                "key_ends",
                None,
                f"The key {key.key_id}{name}, of the kind {key.kind}, ends at "
                f"{iso_from_ms(key.expires_at // SECOND_MS * SECOND_MS)}.",
                f"Make another one for whoever has it: `footfall keys create --kind {key.kind}`.",
            )


def find_data_dir(seen: Seen) -> Findings:
    told = [seen.data_dir_problem, *(door.data_dir_problem for door in seen.doors)]
    for problem in dict.fromkeys(told):
        if problem is not None:
            yield warning(
                "data_dir_open",
                "DATA_DIR",
                f"DATA_DIR may be used by others than its owner: {problem}. Addresses, names and "
                "salts are in it.",
                "Let its owner be the user that Footfall runs as, and `chmod 700` it.",
            )


def find_no_ingestion(seen: Seen) -> Findings:
    if seen.redis.problem is None and not seen.doors and seen.asked_ms >= HEARD_MS:
        yield error(
            "no_ingestion",
            "REDIS_URL",
            "No ingestion process tells this Redis of itself.",
            "Start ingestion, with the REDIS_URL and REDIS_KEY that are set here; one of an "
            "earlier version tells nothing.",
        )


def find_told(seen: Seen) -> Findings:
    """What ingestion says in /ready."""
    for sentence in dict.fromkeys(told for door in seen.doors for told in door.warnings):
        name, _, _ = sentence.partition(":")
        setting = name if name.isupper() else None
        yield warning("ingestion_warns", setting, f"{sentence}.", "See /ready of ingestion.")


def find_no_traffic(seen: Seen) -> Findings:
    if seen.doors and not seen.noted and seen.asked_ms >= HEARD_MS:
        yield hint(
            "no_requests",
            None,
            "Ingestion was sent no request while somebody looked.",
            "Open a page of the site while you look, or post an event; what a proxy or a browser "
            "refuses never comes here.",
        )


OF_PROCESSES: Sequence[Callable[[Seen], Findings]] = (
    find_no_ingestion,
    find_clocks,
    find_country_file,
    find_open_services,
    find_ending_keys,
    find_data_dir,
    find_told,
    find_no_traffic,
)

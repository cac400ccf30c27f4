"""Each command that runs programs: what is checked, what is started, in which order."""

import contextlib
from collections.abc import Iterator, Sequence

from footfall import preflight
from footfall.run.banner import banner
from footfall.run.console import Console
from footfall.run.embedded_valkey import answers, locked, valkey_program
from footfall.run.process import Program
from footfall.run.services import (
    ingestion_program,
    migrate_program,
    periodic_program,
    reporting_program,
    worker_programs,
)
from footfall.run.supervisor import StopRequested, Supervisor
from shared.errors import BadSetting, Unavailable
from shared.process import check_key
from shared.settings import Settings
from shared.waiting import LOOK_SECONDS


def run_everything(settings: Settings, also: Sequence[Program] = (), more: str = "") -> None:
    """Ingestion, workers, periodic process and reporting, and Valkey where no REDIS_URL is set.

    `also` are programs to start once these answer, and `more` is what is said below the banner.
    """
    preflight.check_ingestion(settings)
    preflight.check_ports(ingestion_address(settings), reporting_address(settings))
    check_key(settings)
    database_answers = is_database_there(settings, migrated=False)
    console = Console()
    if settings.redis_url:
        check_redis(settings, console)
    with embedded(settings) as valkey, supervising(console) as supervisor:
        if database_answers:
            supervisor.run_once(migrate_program())
        supervisor.start(valkey)
        if valkey:
            supervisor.wait_for(lambda: answers(settings))
        supervisor.start([ingestion_program(settings), reporting_program(settings)])
        if not database_answers:
            # The door is open meanwhile, and reporting says whom it waits for.
            supervisor.wait_for(
                lambda: is_database_there(settings, migrated=False), every=LOOK_SECONDS
            )
            supervisor.run_once(migrate_program())
        supervisor.start([*worker_programs(settings), periodic_program()])
        supervisor.wait_for_health()
        supervisor.start(also)
        supervisor.wait_for_health()
        console.write(banner(settings) + more)
        supervisor.run()


def run_ingestion(settings: Settings) -> None:
    preflight.check_ingestion(settings)
    preflight.check_ports(ingestion_address(settings))
    run_programs(settings, [ingestion_program(settings)], needs_database=False)


def run_reporting(settings: Settings) -> None:
    preflight.check_ports(reporting_address(settings))
    check_key(settings)
    run_programs(settings, [reporting_program(settings)])


def run_workers(settings: Settings) -> None:
    run_programs(settings, worker_programs(settings))


def run_periodic(settings: Settings) -> None:
    run_programs(settings, [periodic_program()])


def run_valkey(settings: Settings) -> None:
    """The embedded Valkey alone, for services that are started one by one."""
    if settings.redis_url:
        raise BadSetting("REDIS_URL: is set, so no service would use an embedded Valkey; unset it")
    preflight.check_data_dir(settings)
    console = Console()
    with embedded(settings) as valkey, supervising(console) as supervisor:
        supervisor.start(valkey)
        supervisor.wait_for(lambda: answers(settings))
        console.say(f"Valkey listens on {settings.valkey_socket}")
        supervisor.run()


def run_programs(
    settings: Settings, programs: list[Program], *, needs_database: bool = True
) -> None:
    """Programs that use a Redis and a database which others have started."""
    console = Console()
    check_redis(settings, console)
    if needs_database:
        is_database_there(settings, migrated=True)
    with supervising(console) as supervisor:
        supervisor.start(programs)
        supervisor.wait_for_health()
        console.say(", ".join(program.name for program in programs) + " started; Ctrl-C stops")
        supervisor.run()


@contextlib.contextmanager
def supervising(console: Console) -> Iterator[Supervisor]:
    """A supervisor whose programs stop with the block. A signal ends the block, and is no error."""
    with contextlib.suppress(StopRequested), Supervisor(console) as supervisor:
        yield supervisor


@contextlib.contextmanager
def embedded(settings: Settings) -> Iterator[list[Program]]:
    """The embedded Valkey's program, its directory held; none with a REDIS_URL."""
    if settings.redis_url:
        yield []
        return
    with locked(settings) as lock:
        yield [valkey_program(settings, lock)]


def check_redis(settings: Settings, console: Console) -> None:
    warning = preflight.check_redis(settings)
    if warning:
        console.say(f"WARNING: {warning}")


def is_database_there(settings: Settings, *, migrated: bool) -> bool:
    """Raises BadSetting where it answers and will not do."""
    try:
        preflight.check_answering_database(settings, migrated=migrated)
    except Unavailable:
        return False
    return True


def ingestion_address(settings: Settings) -> tuple[str, str, int]:
    return "ingestion", settings.ingestion_host, settings.ingestion_port


def reporting_address(settings: Settings) -> tuple[str, str, int]:
    return "reporting", settings.reporting_host, settings.reporting_port

"""The programs of the services, and the address at which each is reached from this machine."""

import dataclasses
import sys

from footfall.run.process import Program
from shared.settings import Settings

# What asks an address that listens everywhere.
LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104


def ingestion_program(settings: Settings) -> Program:
    """The door closes first: what is accepted until then the workers still see."""
    return service_program("ingestion", 0, settings.ingestion_host, settings.ingestion_port)


def reporting_program(settings: Settings) -> Program:
    return service_program("reporting", 1, settings.reporting_host, settings.reporting_port)


def service_program(name: str, stop_phase: int, host: str, port: int) -> Program:
    """It is told its port: of two services, `PORT` could be no more than one's."""
    program = python_program(name, name, stop_phase, (reachable(host), port))
    return dataclasses.replace(program, environment={f"{name.upper()}_PORT": str(port)})


def worker_programs(settings: Settings) -> list[Program]:
    numbers = range(1, settings.workers + 1)
    return [python_program(f"worker.{number}", "worker", 1) for number in numbers]


def periodic_program() -> Program:
    return python_program("periodic", "worker.periodic", 1)


def migrate_program() -> Program:
    return python_program("migrate", "footfall", 1, arguments=("migrate",))


def python_program(
    name: str,
    module: str,
    stop_phase: int,
    health: tuple[str, int] | None = None,
    arguments: tuple[str, ...] = (),
) -> Program:
    return Program(name, (sys.executable, "-m", module, *arguments), stop_phase, health)


def reachable(host: str) -> str:
    return LOOPBACK_OF.get(host, host)


def base_url(host: str, port: int) -> str:
    address = reachable(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"

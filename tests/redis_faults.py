"""Ways in which a Redis cannot serve while connections to it are open, and what is said of each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import redis

from tests.servers import free_port, wait_until

Admin = redis.Redis


@contextmanager
def set_to(admin: Admin, **options: object) -> Iterator[None]:
    """Other options of the server, for as long as this lasts."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    kept = admin.config_get(*named)
    for name, value in named.items():
        admin.config_set(name, str(value))
    try:
        yield
    finally:
        for name in named:
            admin.config_set(name, str(kept[name]))


@contextmanager
def replica(admin: Admin, _: Path) -> Iterator[None]:
    admin.replicaof("127.0.0.1", str(free_port()))
    try:
        yield
    finally:
        admin.replicaof("NO", "ONE")


@contextmanager
def replica_without_data(admin: Admin, directory: Path) -> Iterator[None]:
    with set_to(admin, replica_serve_stale_data="no"), replica(admin, directory):
        yield


@contextmanager
def out_of_memory(admin: Admin, _: Path) -> Iterator[None]:
    with set_to(admin, maxmemory=1):
        yield


@contextmanager
def failing_disk(admin: Admin, directory: Path) -> Iterator[None]:
    """A snapshot fails where something else has the file's name, for root as well."""
    obstacle = directory / "dump.rdb"
    obstacle.mkdir()
    (obstacle / "in the way").touch()
    try:
        with set_to(admin, save="3600 1"):
            admin.bgsave()
            wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
            yield
    finally:
        (obstacle / "in the way").unlink()
        obstacle.rmdir()


@contextmanager
def too_few_replicas(admin: Admin, _: Path) -> Iterator[None]:
    with set_to(admin, min_replicas_to_write=1):
        yield


@contextmanager
def new_password(admin: Admin, _: Path) -> Iterator[None]:
    with set_to(admin, requirepass="secret"):
        admin.client_kill_filter(_type="normal", skipme=True)
        yield


Fault = Callable[[Admin, Path], AbstractContextManager[None]]
FAULTS = [
    (replica, "it is a replica, which takes no writes"),
    (replica_without_data, "it is a replica that has lost its primary"),
    (out_of_memory, "it is out of memory; raise its maxmemory"),
    (failing_disk, "it cannot write to its disk, see its log"),
    (too_few_replicas, "it has fewer replicas than its min-replicas-to-write"),
    (new_password, "it asks for a password; set one in REDIS_URL"),
]

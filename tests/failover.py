"""A primary, a replica and one address that can be moved from the one to the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import ValkeyServer, free_port, wait_until


class Member(ValkeyServer):
    """One of the two; they speak to each other over TCP."""

    def __init__(self) -> None:
        self.port = free_port()
        super().__init__({"port": str(self.port), "repl-diskless-sync-delay": "0"})

    def is_replica(self) -> bool:
        with self.client() as admin:
            return bool(admin.info("replication")["role"] == "slave")

    def has_settled(self) -> bool:
        """Whether no failover is under way, in which it takes no other order."""
        with self.client() as admin:
            return bool(admin.info("replication")["master_failover_state"] == "no-failover")

    def connections(self) -> int:
        """How many of Footfall's connections lead here."""
        with self.client() as admin:
            return sum(client["name"] == "footfall" for client in admin.client_list())


class Pair:
    """`url` leads to `primary`, until `move`. Nothing that was acknowledged is lost on the way."""

    def __init__(self, directory: Path, primary: Member, replica: Member) -> None:
        self.primary = primary
        self.replica = replica
        self.address = directory / "address"
        self.point()

    @property
    def url(self) -> str:
        return f"unix://{self.address}"

    def point(self) -> None:
        """A path is resolved when a connection is opened, as a host's name is; those that are open
        stay where they are."""
        made = self.address.with_name("made")
        made.symlink_to(self.primary.directory / "s")
        made.rename(self.address)

    def swap(self) -> None:
        """The replica takes over, and the address still leads to the one that was demoted."""
        with self.primary.client() as admin:
            wait_until(lambda: admin.info("replication")["connected_slaves"] == 1)
            admin.execute_command("FAILOVER", "TO", "127.0.0.1", self.replica.port)
        wait_until(self.primary.is_replica)
        wait_until(self.primary.has_settled)
        self.primary, self.replica = self.replica, self.primary

    def lose(self) -> None:
        """The primary says nothing any more; the replica takes over, and its address as well."""
        self.primary.pause()
        with self.replica.client() as admin:
            admin.replicaof("NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.point()

    def move(self) -> None:
        """The replica takes over, and its address as well."""
        self.swap()
        self.point()


@contextmanager
def pair_in(directory: Path) -> Iterator[Pair]:
    with Member() as primary, Member() as replica:
        with replica.client() as admin:
            admin.replicaof("127.0.0.1", str(primary.port))
            wait_until(lambda: admin.info("replication")["master_link_status"] == "up")
        yield Pair(directory, primary, replica)

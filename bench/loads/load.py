"""The loads that a door is put under, as data, and who bears each of them beside this tree."""

from dataclasses import dataclass

from bench.door import CONNECTIONS

# Who is measured. The earlier version only where there is one.
THIS = "this tree"
EARLIER = "earlier"
JOB = "one RQ job per event, gunicorn"
BARE = "bare RSGI function"
BOTH = (THIS, EARLIER)


@dataclass(frozen=True)
class Load:
    """So many connections that each post requests of `batch` events without pause.

    `beside` is the batch of one more connection that does the same meanwhile, 0 for none. A door
    that spools has lost its Redis for good.
    """

    name: str
    connections: int = CONNECTIONS
    batch: int = 1
    beside: int = 0
    fsync: str = "always"
    processes: int = 1
    spools: bool = False
    borne_by: tuple[str, ...] = BOTH


SINGLE = Load("single events, 16 connections", borne_by=(*BOTH, JOB, BARE))
UNSYNCED = Load("single events, appendfsync no", fsync="no", borne_by=(*BOTH, JOB))
HUNDREDS = Load("batches of 100", batch=100)
THOUSANDS = Load("batches of 1,000", batch=1000)
MIXED = Load("single events, 8 connections, beside batches of 1,000", 8, beside=1000)
CROWD_64 = Load("single events, 64 connections", 64, borne_by=(THIS,))
CROWD_256 = Load("single events, 256 connections", 256, borne_by=(THIS,))
SPOOLED = Load("single events, Redis stopped", spools=True, borne_by=(THIS,))
TWO = Load("single events, two processes", processes=2)

LOADS = (
    SINGLE,
    UNSYNCED,
    HUNDREDS,
    THOUSANDS,
    MIXED,
    CROWD_64,
    CROWD_256,
    SPOOLED,
    TWO,
)

"""The exactness run in its shortest form: few events, and what was sent is what is told."""

from pathlib import Path

from bench.against.storing import Servers
from bench.against.versions import THIS
from bench.exact import run, write_events
from tests.servers import MariaDbServer, ValkeyServer

EVENTS = 2500


def test_what_was_sent_is_told_to_the_event(
    valkey: ValkeyServer, mariadb: MariaDbServer, tmp_path: Path
) -> None:
    sent = write_events(tmp_path / "bodies", EVENTS, seed=1)
    assert sum(day.events for day in sent.days.values()) == EVENTS
    assert len(sent.days) > 1
    found = run(Servers(valkey, mariadb), THIS, sent, workers=1)
    assert found.faults == []
    assert found.per_second > 0

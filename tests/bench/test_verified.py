"""The checks of a large database in their shortest form: nothing differs, and figures are told."""

from bench.against.storing import Servers
from bench.verified import measure
from tests.servers import MariaDbServer, ValkeyServer


def test_the_checks_run_while_events_arrive(valkey: ValkeyServer, mariadb: MariaDbServer) -> None:
    bars = {bar.name: bar for bar in measure(Servers(valkey, mariadb), 3_000, 50, 500)}
    statuses = [bar for name, bar in bars.items() if name.endswith("status")]
    assert len(statuses) == 3
    assert all(bar.is_met for bar in statuses)
    assert bars["events that arrived meanwhile, a second"].figure > 10
    assert bars["rebuild-rollups of the largest site, events/s"].figure > 0

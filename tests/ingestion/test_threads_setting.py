"""INGESTION_THREADS: of gunicorn; Granian says once that it takes no notice."""

from collections.abc import Mapping

import pytest

from tests.servers import ServiceProcess, ValkeyServer

SET = {"INGESTION_THREADS": 8}
TWO_PROCESSES = {"INGESTION_PROCESSES": 2}


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ({"INGESTION_SERVER": "granian", **TWO_PROCESSES, **SET}, 1),
        ({"INGESTION_SERVER": "granian"}, 0),
        ({"INGESTION_SERVER": "gunicorn", **SET}, 0),
    ],
    ids=["granian", "granian, not set", "gunicorn"],
)
def test_granian_warns_where_it_is_set(
    valkey: ValkeyServer, given: Mapping[str, object], times: int
) -> None:
    with ServiceProcess("ingestion", {"REDIS_URL": valkey.url, **given}) as service:
        log = service.log()
    assert log.count("INGESTION_THREADS") == times

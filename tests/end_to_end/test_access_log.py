"""The main job on real input: 10,000 requests of an access log, posted and asked for again."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT
from tests.stack import Stack

DATA = ROOT.parent / "shared" / "data"
LINE = re.compile(r'(?P<address>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<target>\S+)')

pytestmark = pytest.mark.skipif(
    not (DATA / "apache_logs").exists(),
    reason="the access log is not there: it holds real addresses and is not in the repository",
)


def events_of(log: Path) -> list[dict[str, Any]]:
    found = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        match = LINE.match(line)
        assert match, line
        moment = datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z")
        found.append(
            {
                "site_id": "log",
                "event_type": "page_view",
                "timestamp": moment.isoformat(),
                "path": match["target"],
                "user_id": match["address"],
            }
        )
    return found


def test_an_access_log_gives_the_known_numbers(stack: Stack) -> None:
    answers = json.loads((DATA / "apache_logs.answers.json").read_text())["answers"]
    events = events_of(DATA / "apache_logs")
    door = stack.door()
    for first in range(0, len(events), 500):
        assert door.post(events[first : first + 500])[0] == 202
    assert stack.settle()["stored"] == len(events) == 10_000
    whole = stack.stats(site_id="log", **{"from": "2015-05-17", "to": "2015-05-20"})
    assert numbers_of(whole) == known_numbers(answers)
    for day, known in answers["per_day"].items():
        assert numbers_of(stack.stats(site_id="log", date=day)) == known_numbers(known)


def numbers_of(stats: Any) -> tuple[int, int, list[list[Any]]]:
    paths = [[row["path"], row["views"]] for row in stats["top_paths"]]
    return stats["total_views"], stats["unique_users"], paths


def known_numbers(answers: Any) -> tuple[int, int, list[list[Any]]]:
    top = answers["top10_paths_without_query"]
    return answers["total_requests"], answers["unique_clients"], top

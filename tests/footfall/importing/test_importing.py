"""What becomes of a log's lines: an event, or a reason that is named."""

import re
import stat
from pathlib import Path

import pytest

from footfall.importing.errors import CannotImport
from footfall.importing.visitors import create_key, load_key
from shared.settings import Settings
from tests.footfall.importing.conftest import (
    Import,
    Queued,
    counts,
    log_line,
    log_of,
    paths,
)
from tests.footfall.importing.ingestion_server import IngestionServer, canned

Said = pytest.CaptureFixture[str]


def test_every_line_is_an_event_of_the_site(run: Import, queued: Queued) -> None:
    outcome = run(log_of(*range(3)) + log_line(3, "/shop?utm_source=mail").encode())
    assert counts(outcome) == (4, 4, 0, 0, 0)
    assert (outcome.is_complete, outcome.progress.first_day) == (True, "2015-05-17")
    events = queued()
    assert paths(events) == ["/page-0", "/page-1", "/page-2", "/shop"]
    assert {event.site_id for event in events} == {"site"}
    assert {event.event_type for event in events} == {"page_view"}
    assert events[3].utm_source == "mail"
    assert events[1].timestamp == 1431820801000
    assert all(event.has_caller_id for event in events)
    assert len({event.event_id for event in events}) == 4


def test_a_visitor_without_agent_is_not_given_the_importers(run: Import, queued: Queued) -> None:
    run((log_line(1, agent="-") + log_line(2, agent="")).encode())
    assert [event.user_agent for event in queued()] == [None, None]


def test_bad_lines_are_named_and_counted_and_stop_nothing(
    run: Import, queued: Queued, capsys: Said
) -> None:
    good = log_of(1)
    outcome = run(b"garbage\n" + good + b"\n" + b"\xff\xfe\n" * 20 + b"x" * 200_000 + b"\n" + good)
    assert counts(outcome) == (25, 2, 0, 0, 23)
    named = re.findall(r"^line (\d+): ", capsys.readouterr().err, re.M)
    assert named == ["1", *map(str, range(3, 12))]
    assert len(queued()) == 2


def test_a_line_that_is_too_long_says_so(run: Import, capsys: Said) -> None:
    run(b"x" * 200_000 + b"\n")
    assert "line 1: has 65,536 bytes or more" in capsys.readouterr().err


def test_repaired_lines_are_events_and_are_named(run: Import, queued: Queued, capsys: Said) -> None:
    outcome = run(log_of(1) + log_line(2, "/cut").encode().rstrip(b'"\n') + b"\n" + log_of(3))
    assert counts(outcome) == (3, 3, 1, 0, 0)
    assert paths(queued()) == ["/page-1", "/cut", "/page-3"]
    assert "line 2: is damaged" in capsys.readouterr().err


def test_what_ingestion_rejects_is_named_by_its_line(
    run: Import, queued: Queued, capsys: Said
) -> None:
    long = log_line(5, "/" + "x" * 3000).encode()
    early = log_of(6).replace(b"2015", b"1969")
    outcome = run(b"bad\n" + log_of(1) + long + log_of(2) + early * 2 + log_of(3))
    assert counts(outcome) == (7, 3, 0, 3, 1)
    said = capsys.readouterr().err.splitlines()
    assert said[1] == "line 3: rejected by ingestion: path must have at most 2048 characters"
    assert said[2:] == ["lines 5 to 6: rejected by ingestion: timestamp is before 1970"]
    assert paths(queued()) == ["/page-1", "/page-2", "/page-3"]


def test_a_request_that_is_rejected_whole_stops_nothing(
    run: Import, queued: Queued, capsys: Said
) -> None:
    early = log_of(*range(500)).replace(b"2015", b"1969")
    outcome = run(early + log_of(1))
    assert counts(outcome) == (501, 1, 0, 500, 0)
    assert outcome.progress.first_day == "2015-05-17"
    assert "lines 1 to 500: rejected by ingestion: timestamp is" in capsys.readouterr().err
    assert paths(queued()) == ["/page-1"]


def test_a_refusal_without_list_rejects_every_event(
    run: Import, door: IngestionServer, capsys: Said
) -> None:
    door.canned = [canned("400 BAD REQUEST", b'{"status":"error","code":"x","error":"why"}')]
    assert counts(run(log_of(1, 2))) == (2, 0, 0, 2, 0)
    assert "lines 1 to 2: rejected by ingestion: why" in capsys.readouterr().err


def test_an_empty_file_has_nothing_to_import(run: Import, door: IngestionServer) -> None:
    assert counts(run(b"")) == (0, 0, 0, 0, 0)
    assert door.requests == []


def test_users_are_digests_that_other_logs_share_and_other_sites_do_not(
    run: Import, queued: Queued, settings: Settings
) -> None:
    run(log_of(1, 2, 51))
    first, second, third = (event.user_id for event in queued())
    assert first == third != second
    assert re.fullmatch("[0-9a-f]{32}", first or "")
    run(log_of(101))
    run(log_of(151), site="other")
    same, other = (event.user_id for event in queued())
    assert same == first != other
    key = settings.data_dir / "imports" / "visitors.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(list(key.parent.iterdir())) == 4


def test_another_installation_has_other_digests(
    run: Import, queued: Queued, settings: Settings
) -> None:
    run(log_of(1))
    (settings.data_dir / "imports" / "visitors.key").unlink()
    run(again=True)
    first, second = queued()
    assert first.user_id != second.user_id


@pytest.mark.parametrize(("users", "expected"), [("address", "192.0.2.1"), ("none", None)])
def test_users_may_be_addresses_or_none(
    run: Import, queued: Queued, users: str, expected: str | None
) -> None:
    run(log_of(1), users=users)
    assert [event.user_id for event in queued()] == [expected]


def test_of_two_keys_made_at_once_one_counts(tmp_path: Path) -> None:
    create_key(tmp_path / "visitors.key")
    first = load_key(tmp_path / "visitors.key")
    create_key(tmp_path / "visitors.key")
    assert load_key(tmp_path / "visitors.key") == first
    assert len(list(tmp_path.iterdir())) == 1


def test_half_a_key_is_refused(run: Import, settings: Settings) -> None:
    (settings.data_dir / "imports").mkdir()
    (settings.data_dir / "imports" / "visitors.key").write_bytes(b"half")
    with pytest.raises(CannotImport, match="holds 4 bytes"):
        run(log_of(1))


@pytest.mark.parametrize(
    "changes", [{"site": " "}, {"site": "x" * 256}, {"site": "\udcff"}, {"event_type": ""}]
)
def test_names_that_ingestion_refuses_are_refused_first(
    run: Import, changes: dict[str, str]
) -> None:
    with pytest.raises(CannotImport, match="must have 1 to 255 printable characters"):
        run(log_of(1), None, **changes)


def test_the_first_day_is_the_earliest_in_utc(run: Import) -> None:
    late = log_of(1).replace(b"+0000", b"+0200")
    outcome = run(log_of(2) * 500 + late + log_of(3))
    assert outcome.progress.first_day == "2015-05-16"

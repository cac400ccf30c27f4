"""An import that was stopped or finished goes on where it was, and nowhere else."""

import gzip
from pathlib import Path

import pytest

from footfall.importing.errors import CannotImport
from shared.settings import Settings
from tests.footfall.importing.conftest import (
    Import,
    Patience,
    Queued,
    counts,
    log_of,
    paths,
)
from tests.footfall.importing.ingestion_server import IngestionServer, canned


def test_a_compressed_log_is_the_same_log(
    run: Import, queued: Queued, tmp_path: Path, door: IngestionServer
) -> None:
    run(gzip.compress(log_of(*range(700))))
    assert len(queued()) == 700
    (tmp_path / "renamed").write_bytes(log_of(*range(800)))
    outcome = run(name=str(tmp_path / "renamed"))
    assert paths(queued()) == [f"/page-{number}" for number in range(700, 800)]
    assert outcome.before.position.lines == 700


def test_told_to_stop_it_finishes_the_request_and_goes_on_there_later(
    run: Import, door: IngestionServer, patience: Patience, queued: Queued
) -> None:
    door.on_request = lambda number: patience.stop() if number == 2 else None
    stopped = run(log_of(*range(1300)))
    assert counts(stopped) == (1000, 1000, 0, 0, 0)
    assert not stopped.is_complete
    patience.stop_requested = False
    outcome = run()
    assert counts(outcome) == (1300, 1300, 0, 0, 0)
    assert outcome.is_complete
    assert paths(queued()) == [f"/page-{number}" for number in range(1300)]


def test_how_far_it_came_is_noted_among_bad_lines_too(
    run: Import, door: IngestionServer, patience: Patience
) -> None:
    door.canned = [canned("503 SERVICE UNAVAILABLE")]
    assert counts(run(b"bad\n" * 25_000 + log_of(1))) == (20_000, 0, 0, 0, 20_000)
    patience.stop_requested = False
    assert counts(run()) == (25_001, 1, 0, 0, 25_000)


def test_a_finished_import_imports_nothing_but_what_was_appended(
    run: Import, door: IngestionServer, queued: Queued
) -> None:
    first = run(log_of(1, 2))
    again = run()
    assert again.progress == first.progress
    assert len(door.requests) == 1
    outcome = run(log_of(1, 2, 3))
    assert counts(outcome) == (3, 3, 0, 0, 0)
    assert paths(queued()) == ["/page-1", "/page-2", "/page-3"]


def test_again_starts_over_with_the_same_ids(run: Import, queued: Queued) -> None:
    run(log_of(1, 2))
    first = queued()
    outcome = run(again=True)
    assert counts(outcome) == (2, 2, 0, 0, 0)
    assert [event.event_id for event in queued()] == [event.event_id for event in first]


def test_again_starts_over_even_if_it_is_stopped_at_once(
    run: Import, patience: Patience, queued: Queued
) -> None:
    run(log_of(1, 2))
    patience.stop_requested = True
    run(again=True)
    patience.stop_requested = False
    run()
    assert len(queued()) == 4


def test_logs_that_begin_alike_are_imported_each(
    run: Import, tmp_path: Path, queued: Queued
) -> None:
    run(log_of(0, *range(1, 10)))
    other = tmp_path / "other"
    other.write_bytes(log_of(0, *range(100, 110)))
    run(name=str(other))
    events = queued()
    assert len(events) == 21
    # Nothing tells the common first line of one from the other's.
    assert len({event.event_id for event in events}) == 20
    for name in (str(other), str(tmp_path / "access.log")):
        run(name=name)
    assert queued() == []


def test_each_site_has_its_own_progress(run: Import, queued: Queued) -> None:
    run(log_of(1))
    run(site="other")
    assert [event.site_id for event in queued()] == ["site", "other"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("url", "http://127.0.0.1:9"), ("users", "none"), ("event_type", "hit")],
)
def test_an_import_goes_on_as_it_was_begun(run: Import, option: str, value: str) -> None:
    run(log_of(1, 2))
    flag = "--" + option.replace("_", "-")
    with pytest.raises(CannotImport, match=rf"was imported with {flag} .*--again"):
        run(None, None, **{option: value})


def test_a_damaged_progress_file_is_named(run: Import, settings: Settings) -> None:
    run(log_of(1))
    (path,) = (settings.data_dir / "imports").glob("*.json")
    path.write_bytes(b"{")
    with pytest.raises(CannotImport, match=f"{path.name} does not say.*delete it"):
        run()


def test_damaged_gzip_is_imported_as_far_as_it_goes(run: Import, queued: Queued) -> None:
    data = gzip.compress(log_of(*range(5_000)))
    with pytest.raises(CannotImport, match=r"cannot be read behind line [\d,]+: "):
        run(data[:-2000])
    first = queued()
    assert len(first) > 1000
    run(data)  # copied anew, whole
    assert paths(first + queued()) == [f"/page-{number}" for number in range(5_000)]

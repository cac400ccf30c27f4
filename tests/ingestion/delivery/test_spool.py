"""The spool: on disk before anybody is told, bounded, locked, and never torn by what fails."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.delivery import home as home_module
from ingestion.delivery import spool as spool_module
from ingestion.delivery.home import Home
from ingestion.delivery.records import Record, packed
from ingestion.delivery.spool import Keep, Spool
from ingestion.telemetry import TORN
from shared.errors import Unavailable
from shared.queue.push_command import Place
from tests.ingestion.delivery.kept import (
    LARGE,
    event,
    events_in,
    files_in,
    keep,
    keep_at_once,
)
from tests.servers import ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def torn() -> float:
    return float(TORN._value.get())


def test_what_is_kept_is_on_disk_before_it_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def fdatasync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    spool = Spool(root, LARGE)
    for number in range(3):
        keep(spool, [event(f"{number}")])
        [path] = files_in(root)
        assert synced[-1] == path.stat().st_size
    assert len(synced) == 3
    assert events_in(root) == [event("0"), event("1"), event("2")]


def test_only_its_owner_reads_what_is_kept(root: Path) -> None:
    keep(Spool(root, LARGE), [event("1")])
    [path] = files_in(root)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_many_requests_share_one_sync(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(root, LARGE)
    keep(spool, [event("first")])
    syncs: list[int] = []
    entered, go_on = threading.Event(), threading.Event()

    def fdatasync(descriptor: int) -> None:
        syncs.append(descriptor)
        entered.set()
        assert go_on.wait(60)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    threads = [threading.Thread(target=keep, args=(spool, [event(f"{n}")])) for n in range(50)]
    threads[0].start()
    assert entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    while spool.keeps.qsize() < 49:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(syncs) == 2
    assert len(events_in(root)) == 51


def test_requests_keep_their_places_and_others_get_one(root: Path) -> None:
    spool = Spool(root, LARGE)
    place = Place("a", 9)
    keep_at_once(spool, (place, [b"1"]), (None, [b"2"]), (None, [b"3"]))
    [path] = files_in(root)
    assert spool.own is not None
    own = spool.own.stream
    records = [Record(place, [b"1"]), Record(Place(own, 1), [b"2"]), Record(Place(own, 2), [b"3"])]
    assert path.read_bytes() == b"".join(map(packed, records))


def test_a_full_file_is_closed_and_another_begun(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "FILE_BYTES", 1000)
    spool = Spool(root, LARGE)
    for number in range(20):
        keep(spool, [event(f"{number}") + b" " * 200])
    assert len(files_in(root)) > 4
    assert max(path.stat().st_size for path in files_in(root)) < 1500
    assert len(events_in(root)) == 20
    assert spool.own is not None
    assert (spool.own.events, spool.own.size) == (20, spool.used_bytes())
    assert spool.used_bytes() == sum(path.stat().st_size for path in files_in(root))


def test_a_full_spool_takes_nothing_and_says_why(root: Path) -> None:
    spool = Spool(root, 1000)
    keep(spool, [b"x" * 800])
    before = files_in(root)[0].read_bytes()
    with pytest.raises(Unavailable, match="SPOOL_MAX_BYTES, 1000") as caught:
        keep(spool, [b"y" * 200])
    assert caught.value.code == "queue_unavailable"
    assert files_in(root)[0].read_bytes() == before


def test_what_is_written_at_once_counts_before_it_is_there(root: Path) -> None:
    """The first that fit are kept, the others are told that there is no room."""
    spool = Spool(root, 3000)
    told: list[Unavailable | None] = []
    group = [Keep([(None, [b"%d" % number * 800])], told.append) for number in range(6)]
    errors = spool.write_group(group)
    assert [error is None for error in errors] == [True] * 3 + [False] * 3
    assert events_in(root) == [b"%d" % number * 800 for number in range(3)]
    assert spool.used_bytes() <= 3000
    keep(spool, [b"small"])


def test_a_spool_without_room_for_any_event_is_of_no_use(root: Path) -> None:
    spool = Spool(root, 100_000)
    for _ in range(3):
        assert spool.is_of_use()
        keep(spool, [b"x" * 30_000])
    assert not spool.is_of_use()
    with pytest.raises(Unavailable):
        keep(spool, [b"x" * 30_000])
    keep(spool, [b"small"])


def test_the_bound_holds_for_all_processes_together(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "MEASURE_SECONDS", 0.0)
    one, other = Spool(root, 2000), Spool(root, 2000)
    keep(one, [b"x" * 800])
    keep(other, [b"x" * 800])
    assert one.used_bytes() == other.used_bytes() > 1600
    for spool in (one, other):
        with pytest.raises(Unavailable):
            keep(spool, [b"y" * 400])


def removed(root: Path, home: Home) -> None:
    shutil.rmtree(home.directory)


def all_removed(root: Path, home: Home) -> None:
    shutil.rmtree(root)


def moved(root: Path, home: Home) -> None:
    home.directory.rename(root.parent / "elsewhere")


def file_removed(root: Path, home: Home) -> None:
    for path in files_in(root):
        path.unlink()


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("take_away", [removed, all_removed, moved, file_removed])
def test_a_directory_that_is_taken_away_is_made_anew(
    root: Path,
    caplog: pytest.LogCaptureFixture,
    take_away: Callable[[Path, Home], None],
    is_open: bool,
) -> None:
    spool = Spool(root, LARGE)
    keep(spool, [event("lost")], [event("too")])
    was = spool.own
    assert was is not None
    if not is_open:
        spool.close_file()
    take_away(root, was)
    keep(spool, [event("1")], [event("2")])
    assert events_in(root) == [event("1"), event("2")]
    if is_open or take_away is not file_removed:
        assert spool.own is not was
        assert f"{was.directory} was taken away, with 2 events in it" in caplog.text


def test_what_was_moved_may_come_back(root: Path) -> None:
    spool = Spool(root, LARGE)
    keep(spool, [event("moved")])
    assert spool.own is not None
    directory = spool.own.directory
    elsewhere = directory.rename(root.parent / "elsewhere")
    assert spool.close_file() is None
    keep(spool, [event("1")])
    elsewhere.rename(directory)
    [found] = spool.abandoned()
    assert (found.directory, found.events) == (directory, 1)


def failing(call: Callable[..., Any], fails: list[int]) -> Callable[..., Any]:
    """The same, but the first times it raises, after half of its bytes where it writes."""

    def wrapped(descriptor: int, *args: Any) -> Any:
        if fails:
            code = fails.pop()
            if args:
                call(descriptor, args[0][: len(args[0]) // 2])
            raise OSError(code, os.strerror(code))
        return call(descriptor, *args)

    return wrapped


@pytest.mark.parametrize(
    ("name", "is_first"),
    [
        ("write", True),
        ("write", False),
        ("fdatasync", True),
        ("fdatasync", False),
        ("fsync", True),
        ("open", True),
    ],
)
def test_a_disk_that_fails_once_tears_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_first: bool
) -> None:
    spool = Spool(root, LARGE)
    kept = [] if is_first else [event("before")]
    keep(spool, *[[each] for each in kept])
    with monkeypatch.context() as patched:
        real = getattr(os, name)
        fails = [errno.ENOSPC]
        if name == "open":

            def opened(path: Any, *args: Any, **kwargs: Any) -> int:
                if fails and str(path).endswith(".events"):
                    raise OSError(fails.pop(), "no space")
                descriptor: int = real(path, *args, **kwargs)
                return descriptor

            patched.setattr(os, name, opened)
        else:
            patched.setattr(os, name, failing(real, fails))
        with pytest.raises(Unavailable, match="nothing can be kept"):
            keep(spool, [event("lost")])
        assert events_in(root) == kept
        keep(spool, [event("after")], [event("and more")])
    assert events_in(root) == [*kept, event("after"), event("and more")]
    assert all(path.stat().st_size for path in files_in(root))


def test_a_disk_that_stays_full_is_not_said_with_every_event(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(root, LARGE)
    monkeypatch.setattr(os, "fsync", failing(os.fsync, [errno.ENOSPC] * 9))
    for _ in range(3):
        with pytest.raises(Unavailable, match="nothing can be kept"):
            keep(spool, [event("lost")])
    assert caplog.text.count("nothing can be kept") == 1


FILLS_A_DISK = """
import resource, signal, sys
from pathlib import Path
from ingestion.delivery.spool import Spool
from shared.errors import Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), 1 << 30)
kept = 0
for number in range(10):
    try:
        spool.wait_to_keep(None, [b"%d" % number * 1000])
        kept += 1
    except Unavailable as error:
        assert "nothing can be kept" in str(error), error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(kept)
"""


def test_where_a_write_is_cut_short_by_the_system_the_rest_is_whole(root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FILLS_A_DISK, str(root)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert ended.stdout.strip() == "9"
    assert events_in(root) == [b"%d" % n * 1000 for n in (0, 1, *range(3, 10))]


def test_a_fault_of_ours_is_an_answer_and_no_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(root, LARGE)
    with monkeypatch.context() as patched:
        patched.setattr(home_module, "packed", lambda _: 1 / 0)
        with pytest.raises(Unavailable):
            keep(spool, [event("1")])
    keep(spool, [event("2")])
    assert events_in(root) == [event("2")]


def test_a_living_process_is_not_taken_over(root: Path) -> None:
    spool, other = Spool(root, LARGE), Spool(root, LARGE)
    keep(spool, [event("1")])
    assert list(other.abandoned()) == []
    assert list(spool.abandoned()) == []


LEAVES_A_SPOOL = """
import os, sys
from pathlib import Path
from ingestion.delivery.spool import Spool
spool = Spool(Path(sys.argv[1]), 1 << 30)
spool.wait_to_keep(None, [b"1", b"2"])
print("kept", flush=True)
if len(sys.argv) > 2:
    sys.stdin.read()
os._exit(9)
"""


def test_what_a_dead_process_left_is_taken_over_once(root: Path) -> None:
    command = [sys.executable, "-c", LEAVES_A_SPOOL, str(root)]
    environment = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == b"kept\n"
        spool, other = Spool(root, LARGE), Spool(root, LARGE)
        assert list(spool.abandoned()) == []
        living.kill()
        living.wait(60)
    [home] = spool.abandoned()
    assert (home.events, home.oldest is not None) == (2, True)
    assert list(other.abandoned()) == []
    home.leave()
    assert list(root.iterdir()) == []
    assert list(other.abandoned()) == []


def left_behind(root: Path, *requests: list[bytes]) -> Path:
    """The file of a spool whose process has ended."""
    spool = Spool(root, LARGE)
    keep(spool, *requests)
    home = spool.own
    assert home is not None
    [path] = home.directory.glob("*.events")
    home.close_file()
    os.close(home.lock)
    return path


def test_a_torn_end_is_cut_off_said_and_counted(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = left_behind(root, [b"1"], [b"2"])
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(packed(Record(Place("s", 1), [b"3" * 50]))[:-1])
    before = torn()
    [home] = Spool(root, LARGE).abandoned()
    assert (home.events, home.size) == (2, whole)
    assert path.stat().st_size == whole
    assert torn() == before + 1
    assert "torn" in caplog.text


def test_a_damaged_record_is_said_and_counted_and_the_others_stay(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = left_behind(root, [b"1" * 50], [b"2" * 50], [b"3" * 50])
    path.write_bytes(path.read_bytes().replace(b"2" * 50, b"2" * 49 + b"x"))
    before = torn()
    [home] = Spool(root, LARGE).abandoned()
    assert home.events == 2
    assert torn() == before + 1
    assert "damaged" in caplog.text


def test_what_cannot_be_read_now_is_tried_again_and_stops_no_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(left_behind(root, [b"%d" % n]) for n in range(2))
    spool = Spool(root, LARGE)
    with monkeypatch.context() as patched:
        real = home_module.measured

        def measured(path: Path) -> Any:
            if path == paths[0]:
                raise OSError(errno.EIO, "input/output error")
            return real(path)

        patched.setattr(home_module, "measured", measured)
        assert [home.directory for home in spool.abandoned()] == [paths[1].parent]
    assert [home.directory for home in spool.abandoned()] == [paths[0].parent]


def test_a_directory_that_is_being_made_is_not_taken_over(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its making and its lock, another process looks for what was left."""
    other = Spool(root, LARGE)
    found: list[Home] = []
    real = home_module.try_lock

    def try_lock(directory: Path) -> int | None:
        monkeypatch.setattr(home_module, "try_lock", real)
        found.extend(other.abandoned())
        return real(directory)

    monkeypatch.setattr(home_module, "try_lock", try_lock)
    home = Home.new(root)
    assert found == []
    assert list(other.abandoned()) == []
    home.leave()

"""The lines of a log file: their ids, and where reading goes on."""

import gzip
from pathlib import Path

import pytest

from footfall.importing.errors import CannotImport
from footfall.importing.log_file import MAX_LINE_BYTES, Line, Position, opened
from tests.footfall.importing.conftest import Patience

TEXT = b"".join(b"line %d\n" % number for number in range(1000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def lines_of(path: Path, content: bytes) -> list[Line]:
    path.write_bytes(content)
    with opened(str(path), Patience()) as log:
        return list(log)


def ids_of(path: Path, content: bytes) -> list[str]:
    return [line.id for line in lines_of(path, content)]


def position_behind(path: Path, lines: int) -> Position:
    with opened(str(path), Patience()) as log:
        for line in log:
            if line.number == lines:
                break
        return log.position()


def resumed(path: Path, position: Position) -> list[Line] | None:
    """The lines from there on; None where the file is another."""
    with opened(str(path), Patience()) as log:
        return list(log) if log.resume(position) else None


def test_equal_lines_of_a_file_have_ids_of_their_own(path: Path) -> None:
    assert len(set(ids_of(path, b"same\n" * 100))) == 100


def test_ids_follow_from_the_content_alone(path: Path) -> None:
    ids = ids_of(path, TEXT)
    assert ids == ids_of(path.with_name("other"), TEXT)
    assert ids == ids_of(path, gzip.compress(TEXT))
    assert ids == ids_of(path, TEXT + b"appended\n")[:-1]
    assert ids == ids_of(path, TEXT.rstrip(b"\n"))
    assert ids == ids_of(path, TEXT.replace(b"\n", b"\r\n"))
    assert all(len(each) <= 64 for each in ids)


def test_files_have_different_ids_from_where_they_differ(path: Path) -> None:
    one = ids_of(path, TEXT)
    other = ids_of(path, TEXT.replace(b"line 500\n", b"another\n"))
    assert one[:500] == other[:500]
    assert not set(one[500:]) & set(other[500:])


def test_a_huge_line_is_cut_and_the_next_is_whole(path: Path) -> None:
    huge, following = lines_of(path, b"x" * (3 * MAX_LINE_BYTES + 7) + b"\nnext\n")
    assert (huge.is_cut, len(huge.text)) == (True, MAX_LINE_BYTES)
    assert (following.number, following.text, following.is_cut) == (2, b"next", False)


def test_an_empty_file_has_no_lines(path: Path) -> None:
    assert lines_of(path, b"") == []


@pytest.mark.parametrize("is_gzip", [False, True])
def test_reading_goes_on_behind_a_position(path: Path, is_gzip: bool) -> None:
    whole = lines_of(path, gzip.compress(TEXT) if is_gzip else TEXT)
    assert resumed(path, position_behind(path, 700)) == whole[700:]


def test_a_position_fits_the_same_content_compressed(path: Path) -> None:
    whole = lines_of(path, TEXT)
    position = position_behind(path, 700)
    path.write_bytes(gzip.compress(TEXT))
    assert resumed(path, position) == whole[700:]


def test_a_position_does_not_fit_another_file(path: Path) -> None:
    path.write_bytes(TEXT)
    position = position_behind(path, 700)
    path.write_bytes(TEXT.replace(b"line 699\n", b"LINE 699\n"))
    assert resumed(path, position) is None
    path.write_bytes(TEXT[:100])
    assert resumed(path, position) is None


def test_what_is_appended_later_is_read_then(path: Path) -> None:
    path.write_bytes(TEXT)
    end = position_behind(path, 1000)
    assert resumed(path, end) == []
    whole = lines_of(path, TEXT + b"appended\n")
    assert resumed(path, end) == whole[1000:]


def test_a_last_line_without_end_is_one_line_also_when_it_is_completed(path: Path) -> None:
    path.write_bytes(b"first\nsec")
    end = position_behind(path, 2)
    path.write_bytes(b"first\nsecond\nthird\n")
    (third,) = resumed(path, end) or []
    assert (third.number, third.text) == (3, b"third")
    # Its end alone, as an editor adds it, is no line either; and the ids are the same.
    whole = lines_of(path, b"first\nsec\nthird\n")
    assert resumed(path, end) == whole[2:]


@pytest.mark.parametrize("damage", ["ends early", "is not what it says"])
def test_damaged_gzip_is_read_as_far_as_it_goes(path: Path, damage: str) -> None:
    data = gzip.compress(TEXT * 100)
    path.write_bytes(data[:-2000] if damage == "ends early" else data[:-8] + b"\0" * 8)
    with opened(str(path), Patience()) as log:
        read = list(log)
        assert len(read) > 1000
        assert f"behind line {len(read):,}" in str(log.problem)


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(CannotImport, match="log cannot be opened: No such file"):
        opened(str(path), Patience()).__enter__()

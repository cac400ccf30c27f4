from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.reading.timestamps import MAX_AHEAD_MS, timestamp_from
from shared.errors import InvalidInput

NOON_MS = 1_763_208_000_000  # 2025-11-15T12:00:00Z
ARRIVAL = NOON_MS + 3_600_000

ACCEPTED = [
    ("2025-11-15T12:00:00Z", NOON_MS),
    ("2025-11-15t12:00:00z", NOON_MS),
    ("2025-11-15T12:00:00", NOON_MS),
    ("2025-11-15 12:00:00", NOON_MS),
    ("2025-11-15T12:00", NOON_MS),
    ("20251115T120000Z", NOON_MS),
    (" 2025-11-15T12:00:00Z\n", NOON_MS),
    ("2025-11-15T12:00:00.123Z", NOON_MS + 123),
    ("2025-11-15T12:00:00.123999Z", NOON_MS + 123),
    ("2025-11-15T12:00:00.1234567Z", NOON_MS + 123),
    ("2025-11-15T12:00:00,5Z", NOON_MS + 500),
    ("2025-11-15", NOON_MS - 12 * 3_600_000),
    ("2025-11-15T17:30:00+05:30", NOON_MS),
    ("2025-11-15T17:30:00+0530", NOON_MS),
    ("2025-11-15T04:00:00-08:00", NOON_MS),
    ("2025-11-14T22:00:00-14:00", NOON_MS),
    ("1970-01-01T00:00:00Z", 0),
    ("1970-01-01T05:30:00+05:30", 0),
    (1_763_208_000, NOON_MS),
    (1_763_208_000.123, NOON_MS + 123),
    (1_763_208_000.0, NOON_MS),
    (1_763_208_000_000, NOON_MS),
    (1_763_208_000_000.9, NOON_MS),
    ("1763208000", NOON_MS),
    ("1763208000.123", NOON_MS + 123),
    ("1763208000000", NOON_MS),
    (" 1763208000 ", NOON_MS),
    (0, 0),
    ("0", 0),
    (99_999_999, 99_999_999_000),
]


@pytest.mark.parametrize(("value", "ms"), ACCEPTED)
def test_timestamps_become_utc_milliseconds(value: str | float, ms: int) -> None:
    assert timestamp_from(value, ARRIVAL) == ms


@pytest.mark.parametrize(
    "value",
    [
        "not-a-date",
        "",
        " ",
        "now",
        "2025-13-01",
        "2025-02-30T00:00:00Z",
        "2025-11-15T25:00:00Z",
        "2025-11-15T12:00:00+99:00",
        "2025-11-15T12:00:00 UTC",
        "Sat Nov 15 2025 12:00:00 GMT+0000",
        "15.11.2025",
        "1e9",
        "0x10",
        "-1",
        "١٧٦٣٢٠٨٠٠٠",
        "999999999999999999999999",
        "\ud800",
    ],
)
def test_what_is_no_timestamp_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        timestamp_from(value, ARRIVAL)
    assert (caught.value.code, caught.value.field) == ("bad_timestamp", "timestamp")


@pytest.mark.parametrize(
    "value", [-1, -0.001, "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01", "0001-01-01"]
)
def test_moments_before_1970_are_refused(value: str | float) -> None:
    with pytest.raises(InvalidInput, match="before 1970"):
        timestamp_from(value, ARRIVAL)


def test_a_moment_may_be_one_day_ahead_and_no_more() -> None:
    assert timestamp_from(ARRIVAL + MAX_AHEAD_MS, ARRIVAL) == ARRIVAL + 86_400_000
    for value in (ARRIVAL + MAX_AHEAD_MS + 1, 1e300, 10**40, "9999-12-31T23:59:59-23:59"):
        with pytest.raises(InvalidInput, match="more than a day ahead"):
            timestamp_from(value, ARRIVAL)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2025, 11, 15), timezones=ZONES)


@given(MOMENTS)
def test_any_offset_names_the_same_moment(moment: datetime) -> None:
    exact_ms = int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) // 1000
    assert timestamp_from(moment.isoformat(), ARRIVAL) == exact_ms
    assert timestamp_from(moment.astimezone(UTC).isoformat(), ARRIVAL) == exact_ms


@given(st.integers(100_000_000_000, ARRIVAL))
def test_seconds_and_milliseconds_agree(ms: int) -> None:
    assert timestamp_from(ms / 1000, ARRIVAL) == ms
    assert timestamp_from(f"{ms // 1000}.{ms % 1000:03d}", ARRIVAL) == ms
    assert timestamp_from(str(ms), ARRIVAL) == timestamp_from(ms, ARRIVAL) == ms


@given(st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_any_value_is_a_moment_in_bounds_or_refused(value: str | float) -> None:
    try:
        ms = timestamp_from(value, ARRIVAL)
    except InvalidInput:
        return
    assert 0 <= ms <= ARRIVAL + MAX_AHEAD_MS

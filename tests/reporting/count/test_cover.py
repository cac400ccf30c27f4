"""A cover is the range again, in whole weeks, days and hours as far as they go."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reporting.count.cover import Cover, bridged, bucket_at, cover_of, is_within, joined
from shared.clock import DAY_MS, HOUR_MS, WEEK_MS
from shared.counts.rollups import LEVELS, bucket_start

# Whole hours, days and weeks are met by chance seldom enough to be asked for.
moments = st.integers(0, 40 * DAY_MS // 1000).map(lambda n: n * 1000) | st.builds(
    lambda n, size, near: max(0, bucket_start(n * DAY_MS, size) + near),
    st.integers(0, 40),
    st.sampled_from([HOUR_MS, DAY_MS, WEEK_MS]),
    st.sampled_from([-1, 0, 1, HOUR_MS, 1_800_000]),
)
ranges = st.lists(moments, min_size=2, max_size=6, unique=True).map(sorted)


@given(ranges)
def test_the_parts_are_the_whole_without_overlap(boundaries: list[int]) -> None:
    cover = cover_of(boundaries)
    spans = sorted([*cover.edges, *(span for spans in cover.levels for span in spans)])
    assert all(start < end for start, end in spans)
    assert spans[0][0] == boundaries[0]
    assert spans[-1][1] == boundaries[-1]
    assert all(first[1] == second[0] for first, second in pairwise(spans))
    assert joined([*cover.in_rollups, *cover.edges]) == [(boundaries[0], boundaries[-1])]


@given(ranges)
def test_each_level_has_whole_units_that_no_boundary_cuts(boundaries: list[int]) -> None:
    cover = cover_of(boundaries)
    for level, spans in zip(LEVELS, cover.levels, strict=True):
        for start, end in spans:
            for bucket in range(start, end, level.bucket_ms):
                assert bucket == bucket_start(bucket, level.bucket_ms)
                last = min(end, bucket + level.bucket_ms) - 1
                assert bucket_at(boundaries, bucket) == bucket_at(boundaries, last)
                assert last == bucket + level.bucket_ms - 1


@given(ranges)
def test_an_edge_lies_in_one_bucket_and_is_shorter_than_an_hour_at_a_boundary(
    boundaries: list[int],
) -> None:
    for start, end in cover_of(boundaries).edges:
        assert bucket_at(boundaries, start) == bucket_at(boundaries, end - 1)
        assert end - start < 2 * HOUR_MS
        assert start in boundaries or end in boundaries


def test_ninety_days_are_few_parts() -> None:
    """From a Tuesday to a Sunday: 6 days, 12 weeks; and no hour."""
    start = bucket_start(20_000 * DAY_MS, WEEK_MS) + DAY_MS
    cover = cover_of([start, start + 90 * DAY_MS])
    hours, days, weeks = cover.levels
    assert (hours, cover.edges) == ([], [])
    assert sum(end - start for start, end in days) == 6 * DAY_MS
    assert weeks == [(start + 6 * DAY_MS, start + 90 * DAY_MS)]


def test_nothing_covers_nothing() -> None:
    assert cover_of([5, 5]) == Cover()


def test_weeks_begin_on_monday() -> None:
    monday = 1_762_732_800_000  # 2025-11-10
    assert bucket_start(monday, WEEK_MS) == bucket_start(monday + WEEK_MS - 1, WEEK_MS) == monday
    assert bucket_start(0, WEEK_MS) == -3 * DAY_MS


@given(ranges, st.sampled_from([1, HOUR_MS, DAY_MS]))
def test_bridged_spans_hold_the_same_and_no_larger_gaps(boundaries: list[int], gap: int) -> None:
    spans = list(pairwise(boundaries))[::2]
    found = bridged(spans, gap)
    for boundary in boundaries:
        for moment in (boundary - 1, boundary):
            lies_in = any(start <= moment < end for start, end in spans)
            assert is_within(spans, moment) == lies_in
            assert is_within(found, moment) or not lies_in
    assert all(later[0] - earlier[1] > gap for earlier, later in pairwise(found))
    assert sum(end - start for start, end in found) <= sum(
        end - start for start, end in spans
    ) + gap * (len(spans) - len(found))

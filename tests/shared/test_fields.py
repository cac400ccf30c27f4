"""The table of fields, and what follows from it: each place where one could be forgotten."""

from collections import Counter

from shared.counts.rollups import ROLLED_UP, VALUE_COLUMNS
from shared.counts.segments import TEXTS
from shared.db.tables import MAX_DIMENSION, events
from shared.event import Event
from shared.fields import (
    DIMENSIONS,
    EVENT_TYPE,
    FIELDS,
    ON_WIRE,
    PANELS,
    STORED,
    Kind,
    Origin,
)


def test_names_are_different() -> None:
    assert max(Counter(field.name for field in FIELDS).values()) == 1
    assert max(Counter(field.dimension.name for field in DIMENSIONS.values()).values()) == 1  # type: ignore[union-attr]


def test_the_event_on_the_wire_has_the_fields_in_their_order() -> None:
    assert Event.__struct_fields__ == tuple(field.name for field in ON_WIRE)


def test_what_an_older_release_did_not_send_has_a_default() -> None:
    defaults = dict(
        zip(reversed(Event.__struct_fields__), reversed(Event.__struct_defaults__), strict=False)
    )
    assert {f.name for f in ON_WIRE if not f.is_required} == defaults.keys()


def test_events_has_a_column_for_each_field_that_is_stored() -> None:
    assert [column.name for column in events.columns] == [field.name for field in STORED]
    for field in STORED:
        column = events.c[field.name]
        assert column.nullable is not field.is_required
        if field.kind is Kind.TEXT:
            assert column.type.length == field.most  # type: ignore[attr-defined]


def test_every_dimension_is_a_text_that_the_tables_can_hold() -> None:
    for name, field in DIMENSIONS.items():
        assert field.kind is Kind.TEXT
        assert len(name) <= MAX_DIMENSION
        assert VALUE_COLUMNS[name] is events.c[field.name]


def test_segments_have_every_dimension_and_rollups_those_that_say_so() -> None:
    assert set(TEXTS) == DIMENSIONS.keys()
    counted = {n for n, f in DIMENSIONS.items() if f.dimension and f.dimension.has_rollup}
    assert ROLLED_UP.keys() == counted - {EVENT_TYPE}


def test_the_dashboard_shows_every_dimension_once() -> None:
    shown = [name for names in PANELS.values() for name in names]
    assert sorted(shown) == sorted(DIMENSIONS)


def test_dimensions_of_one_list_are_told_apart() -> None:
    for names in PANELS.values():
        tabs = {DIMENSIONS[name].dimension.tab for name in names}  # type: ignore[union-attr]
        assert len(tabs) == len(names)
        assert "" not in tabs or len(names) == 1


def test_whoever_uses_the_api_is_told_what_a_client_may_send() -> None:
    assert all(f.description for f in FIELDS if f.origin is Origin.CLIENT)

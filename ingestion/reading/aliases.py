"""Other names for fields: those by which the clients of one protocol send them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.fields import FROM_CLIENT

CANONICAL = frozenset(field.name for field in FROM_CLIENT)


@dataclass(frozen=True)
class Aliases:
    """Which field each other name stands for: a name of the event's own, or of a member's."""

    names: Mapping[str, str] = field(default_factory=dict)
    # By the member that holds them: {"payload": {"page_url": "path"}}.
    inner: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def own_names(self, canonical: str) -> frozenset[str]:
        """The names by which an event itself may have the field, its canonical one included."""
        return frozenset({canonical} | {a for a, name in self.names.items() if name == canonical})

    def others(self, canonical: str) -> list[str]:
        """The field's other names in their order, `payload.page_url` for one inside a member."""
        paths = dict(self.names)
        for holder, names in self.inner.items():
            paths |= {f"{holder}.{alias}": name for alias, name in names.items()}
        return [alias for alias, name in paths.items() if name == canonical]


def with_canonical_names(raw: dict[str, Any], aliases: Aliases) -> dict[str, Any]:
    """The same event with other systems' names mapped and the unknown ones made properties.

    A canonical name wins over its alias; the alias is then a property like any other. Of an object
    that may hold a name we know, the other members become properties as they are.
    """
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in raw.items():
        (fields if name in CANONICAL else extra)[name] = value
    move_named(extra, aliases.names, fields)
    for holder, names in aliases.inner.items():
        if isinstance(extra.get(holder), dict):
            held = dict(extra.pop(holder))
            move_named(held, names, fields)
            extra = held | extra
    return with_properties(fields, extra)


def as_property(raw: dict[str, Any], name: str) -> dict[str, Any]:
    """The event with one of its members made a property, as one that is no field would be."""
    fields = {known: value for known, value in raw.items() if known != name}
    return with_properties(fields, {name: raw[name]})


def with_properties(fields: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """The fields with more properties; of the same name, what the event has as one wins."""
    given = fields.get("properties")
    if extra and (given is None or isinstance(given, dict)):
        fields["properties"] = {k: flattened(v) for k, v in extra.items()} | (given or {})
    return fields


def move_named(extra: dict[str, Any], names: Mapping[str, str], fields: dict[str, Any]) -> None:
    """Move what has another system's name to its field, unless the event has that one already."""
    for alias, canonical in names.items():
        if alias in extra and extra[alias] is not None and fields.get(canonical) is None:
            fields[canonical] = extra.pop(alias)


def flattened(value: object) -> object:
    """A value nobody asked for, kept as JSON text where it is not flat."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return value

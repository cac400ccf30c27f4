"""What an event is in one protocol, in JSON Schema: the declared fields, under which names."""

from ingestion.reading.aliases import Aliases
from ingestion.reading.body import MAX_EVENT_BYTES
from ingestion.reading.fields import bound_of
from ingestion.reading.schema import NEWER
from shared.fields import EVENT_TYPE, FROM_CLIENT, MAX_NAME, MAX_PROPERTIES, Field, Kind
from shared.http.openapi import Json

TYPES: dict[Kind, Json] = {
    Kind.TEXT: {"type": ["string", "null"]},
    Kind.MOMENT: {"type": ["string", "number", "null"]},
    Kind.OBJECT: {
        "type": ["object", "null"],
        "maxProperties": MAX_PROPERTIES,
        "propertyNames": {"maxLength": MAX_NAME},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
}
SITE_ID = "site_id"
NOT_EMPTY: Json = {"type": "string", "minLength": 1}


def schema_of(field: Field, aliases: Aliases) -> Json:
    """One field, and by which other names it is read."""
    if field.name in NEWER:
        kept = f" Anything but a text of at most {field.most} characters is kept as a property."
        return {"description": field.description + kept}
    schema = TYPES[field.kind] | {"description": field.description}
    if field.name == SITE_ID:
        schema |= NOT_EMPTY
    if most := bound_of(field):
        schema["maxLength"] = most
    if others := aliases.others(field.name):
        also = ", ".join(f"`{other}`" for other in others)
        schema["description"] += f" Also read from {also}; `{field.name}` wins."
        schema["x-aliases"] = others
    return schema


def event_schema(aliases: Aliases) -> Json:
    type_names = sorted(aliases.own_names(EVENT_TYPE))
    return {
        "type": "object",
        "description": f"One event, at most {MAX_EVENT_BYTES // 1024} KiB.",
        "required": [SITE_ID],
        "anyOf": [{"required": [name], "properties": {name: NOT_EMPTY}} for name in type_names],
        "properties": {field.name: schema_of(field, aliases) for field in FROM_CLIENT},
        "additionalProperties": True,
    }

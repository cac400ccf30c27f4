"""What reporting answers, in JSON Schema."""

from typing import Any

from shared.http.openapi import STATUS_SCHEMA, Json


def count(description: str) -> Json:
    return {"type": "integer", "minimum": 0, "description": description}


def an_object(description: str, properties: Json, **more: Any) -> Json:
    """A schema of an object that always has all these members."""
    return {
        "type": "object",
        "description": description,
        "required": list(properties),
        "properties": properties,
        **more,
    }


DATE: Json = {"type": "string", "format": "date"}
TIME: Json = {"type": "string", "format": "date-time"}
TOTALS: Json = {
    "site_id": {"type": "string", "description": "As it was asked."},
    "total_views": count("Events of type `page_view`, or of the `event_type` asked for."),
    "unique_users": count(
        "Distinct `user_id` over events of all types, or of the `event_type` asked for. Events "
        "without a `user_id` count no user."
    ),
    "top_paths": {
        "type": "array",
        "description": "The most viewed paths; equal counts are in order of path. Events without a "
        "path are left out.",
        "items": an_object(
            "A path and its views.", {"path": {"type": "string"}, "views": count("Its views.")}
        ),
    },
    "total_events": count("Events of all types, whatever `event_type` says."),
}
COMPARED_NUMBERS = ("total_views", "unique_users", "total_events")
COMPARED: Json = {
    "type": "object",
    "required": list(COMPARED_NUMBERS),
    "properties": {
        "date": DATE,
        "from": DATE,
        "to": DATE,
        **{name: TOTALS[name] for name in COMPARED_NUMBERS},
    },
}
RANGE: Json = {
    "site_id": TOTALS["site_id"],
    "from": {**DATE, "description": "The first day."},
    "to": {**DATE, "description": "The last day."},
    "tz": {"type": "string", "description": "The time zone in which these are days."},
}
COUNTS: Json = {"views": TOTALS["total_views"], "unique_users": TOTALS["unique_users"]}
SCHEMAS: Json = {
    "Stats": {
        "type": "object",
        "description": "A single day has `date`; a longer range has `from` and `to` in its place.",
        "required": list(TOTALS),
        "oneOf": [{"required": ["date"]}, {"required": ["from", "to"]}],
        "properties": {
            "site_id": TOTALS["site_id"],
            "date": {**DATE, "description": "The day."},
            "from": {**DATE, "description": "The first day of the range."},
            "to": {**DATE, "description": "The last day of the range."},
            **TOTALS,
            "previous": {
                **COMPARED,
                "description": "With `compare=previous`: the numbers of as many days before.",
            },
            "change": an_object(
                "With `compare=previous`: by how much this range is higher.",
                {name: {"type": "integer"} for name in COMPARED_NUMBERS},
            ),
        },
    },
    "Timeseries": an_object(
        "A range told apart by time.",
        {
            **RANGE,
            "interval": {"type": "string", "description": "As it was asked, or the default."},
            "points": {
                "type": "array",
                "items": an_object(
                    "A minute, hour, day, week or month.",
                    {"start": {**TIME, "description": "When it begins, in UTC."}, **COUNTS},
                ),
            },
        },
    ),
    "Breakdown": an_object(
        "A range told apart by the values of a dimension.",
        {
            **RANGE,
            "dimension": {"type": "string", "description": "As it was asked."},
            "rows": {
                "type": "array",
                "items": an_object("A value.", {"value": {"type": "string"}, **COUNTS}),
            },
        },
    ),
    "Sites": an_object(
        "Every site that has an event.",
        {
            "sites": {
                "type": "array",
                "items": an_object(
                    "A site.",
                    {
                        "site_id": {"type": "string"},
                        "first_event": {**TIME, "description": "Its earliest `timestamp`."},
                        "last_event": {**TIME, "description": "Its latest `timestamp`."},
                        "total_events": count("Events of all types."),
                        "total_views": count("Events of type `page_view`."),
                    },
                ),
            }
        },
    ),
    "Pipeline": an_object(
        "The ledger: what became of every event that was ever accepted.",
        {
            "accepted": count("Events answered with 202."),
            "stored": count("Events in the database."),
            "duplicates": count("Events that were there before, by their `event_id`."),
            "dropped": {
                "type": "object",
                "description": "Events not counted on purpose, by reason: `bot`, of a known "
                "crawler; `burst`, of too many page views of one user in one second.",
                "additionalProperties": count("Events."),
            },
            "dead": count("Events the database refused; `footfall dead-letters` lists them."),
            "queued": count("Events that wait in Redis."),
            "processing": count("Events a worker holds."),
            "oldest_queued_seconds": {
                "type": ["number", "null"],
                "minimum": 0,
                "description": "How long the oldest event waits; null where none does.",
            },
            "workers": count("Workers that are alive."),
            "failed_batches": count("Batches given back because of a fault, not yet stored."),
            "balanced": {
                "type": "boolean",
                "description": "Whether accepted = stored + duplicates + dropped + dead + queued + "
                "processing.",
            },
        },
    ),
    "System": an_object(
        "The machine and the stores, in seconds, percent and bytes.",
        {
            "uptime_seconds": {"type": "number", "description": "Of this service."},
            "cpu_percent": {"type": "number", "description": "Of the machine."},
            "memory_bytes": an_object(
                "Of the machine.", {"total": count("All."), "available": count("Not in use.")}
            ),
            "process": an_object("This service.", {"memory_bytes": count("Resident.")}),
            "redis": an_object(
                "Redis.",
                {
                    "keys": count("In the database of `REDIS_URL`, whoever wrote them."),
                    "memory_bytes": count("In use."),
                },
            ),
            "database": an_object(
                "The database.",
                {
                    "kind": {"enum": ["sqlite", "mariadb", "mysql"]},
                    "size_bytes": count("Its size."),
                },
            ),
        },
    ),
    "Status": STATUS_SCHEMA,
}

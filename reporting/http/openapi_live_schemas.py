"""What the live and compatibility routes answer, in JSON Schema."""

from reporting.http.openapi_schemas import TIME, an_object, count
from shared.http.openapi import Json

USER: Json = {"type": "string", "description": "The `user_id`."}
PAGE: Json = {"type": "string", "description": "The path."}
USERS = count("Distinct `user_id` of events of all types in it; none for those without one.")
VIEWS = count("Events of type `page_view`.")


def a_list(items: Json, description: str) -> Json:
    return {"type": "array", "description": description, "items": items}


def counts_by(description: str, pattern: str) -> Json:
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": pattern},
        "additionalProperties": count("Events."),
    }


USAGE = an_object(
    "Events by day, week and month; only those that have any.",
    {
        "daily": counts_by("By day.", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        "weekly": counts_by("By the Sunday a week begins with.", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        "monthly": counts_by("By month.", "^[0-9]{4}-[0-9]{2}$"),
    },
)

LIVE_SCHEMAS: Json = {
    "Realtime": an_object(
        "The last five minutes of a site.",
        {
            "active_users": count("Distinct `user_id` of events of all types."),
            "active_sessions": count("Distinct `session_id` of events of all types."),
            "views": VIEWS,
            "top_pages": a_list(
                an_object("A path and its views.", {"path": PAGE, "views": VIEWS}),
                "The five most viewed paths; equal counts are in order of path.",
            ),
            "per_minute": a_list(
                an_object(
                    "A UTC minute.",
                    {
                        "minute": {**TIME, "description": "When it begins."},
                        "views": VIEWS,
                        "unique_users": USERS,
                    },
                ),
                "In order, with the empty ones; the views of all of them are `views`.",
            ),
        },
    ),
    "Sessions": an_object(
        "A user's sessions of the last five minutes.",
        {
            "user_id": {"type": "string", "description": "As it was asked."},
            "active_sessions": count("How many."),
            "sessions": a_list(
                an_object(
                    "A session.",
                    {
                        "session_id": {"type": "string"},
                        "last_seen": {**TIME, "description": "Its latest event."},
                    },
                ),
                "Newest first; equal ones are in order of `session_id`.",
            ),
        },
    ),
    "ActiveUsers": a_list(
        an_object("A user.", {"user_id": USER, "events": count("Of all types.")}),
        "Most active first; equal ones are in order of `user_id`.",
    ),
    "PageViews": a_list(
        an_object("A page.", {"page_url": PAGE, "views": VIEWS}),
        "Most viewed first; equal ones are in order of path.",
    ),
    "Analytics": an_object(
        "Events by day, week and month.",
        {
            "status": {"const": 200, "description": "The HTTP status."},
            "data": an_object(
                "The counts.",
                {
                    "global": {**USAGE, "description": "Of all event types together."},
                    "usages": {
                        "type": "object",
                        "description": "Of each event type that has any, in order of name.",
                        "additionalProperties": USAGE,
                    },
                },
            ),
        },
    ),
    "ViewsPerMinute": an_object(
        "Page views by the minute.",
        {
            "page_views_per_minute": a_list(
                an_object(
                    "A UTC minute.",
                    {
                        "minute_timestamp": {**TIME, "description": "When it begins."},
                        "count": VIEWS,
                        "unique_users": count("Distinct `user_id` of its page views."),
                    },
                ),
                "In order, with the empty ones.",
            )
        },
    ),
    "MinuteBucket": an_object(
        "Events of one type in one minute.",
        {
            "bucket_key": {"type": "string", "description": "As it was asked."},
            "count": count("Of all sites, or of the one asked for."),
        },
    ),
}

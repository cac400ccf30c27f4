"""Legal questions at random: what the OpenAPI document lets ask, of what there is to ask about."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from bench.dear.shapes import Shapes
from bench.history import COUNTRIES
from reporting.http.openapi import OPENAPI

# Those that only tell of the service, or hand out a file.
LEFT_OUT = {"/", "/assets/{digest}/{name}", "/health", "/openapi.json", "/docs"}
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Europe/Berlin")
# Of a range that ends on the last day.
RANGE_DAYS = (1, 2, 7, 31, 90, 400, 3650, 11_000)
# How often a parameter that may be left out is there.
GIVEN = {"limit": 0.5, "tz": 0.5, "interval": 0.9, "compare": 0.4, "site_id": 0.5, "cursor": 0.2}
GIVEN_FILTER = 0.12

Pick = Callable[[random.Random, Shapes, Mapping[str, Any]], str]

PICKED: dict[str, Pick] = {
    "site_id": lambda random_, shapes, _: random_.choice(shapes.site_ids),
    "limit": lambda random_, _, schema: f"{random_.choice((1, 10, schema['maximum']))}",
    "lookback": lambda random_, _, schema: f"{random_.choice((1, 7, 90, schema['maximum']))}",
    "minutes": lambda random_, _, schema: f"{random_.choice((1, 5, 60, schema['maximum']))}",
    "tz": lambda random_, *_: random_.choice(ZONES),
    "cursor": lambda random_, shapes, _: random_.choice(shapes.site_ids),
    "event_type": lambda random_, *_: random_.choice(("page_view", "type-7", "none")),
    "type": lambda random_, *_: random_.choice(("page_view", "type-7", "none")),
    "path": lambda random_, *_: random_.choice(("/page/0", "/page/499", "/", "/only-once/9")),
    "country": lambda random_, *_: random_.choice(COUNTRIES),
    "utm_campaign": lambda *_: "spring",
    "utm_source": lambda *_: "newsletter",
    "utm_medium": lambda *_: "email",
    "referrer": lambda *_: "site-7.example",
    "browser": lambda *_: "Chrome",
    "os": lambda random_, *_: random_.choice(("Windows", "Linux")),
    "device": lambda *_: "desktop",
    "hostname": lambda *_: "bench.example",
    "user_id": lambda random_, *_: f"user-{random_.choice((0, 7, 99_999))}",
    "uniqueId": lambda random_, *_: f"user-{random_.choice((0, 7, 99_999))}",
    "format": lambda random_, _, schema: random_.choice(schema["enum"]),
}


def make_questions(shapes: Shapes, seed: int, number: int) -> list[str]:
    """Paths with their queries, so many, all routes equally often."""
    random_ = random.Random(seed)
    routes = [path for path, asked in OPENAPI["paths"].items() if "get" in asked]
    routes = [path for path in routes if path not in LEFT_OUT]
    return [make_question(routes[n % len(routes)], random_, shapes) for n in range(number)]


def make_question(path: str, random_: random.Random, shapes: Shapes) -> str:
    query: dict[str, str] = {}
    names = set()
    for parameter in OPENAPI["paths"][path]["get"].get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        names.add(name)
        if name in {"date", "from", "to"}:
            continue
        if not parameter.get("required") and random_.random() > GIVEN.get(name, GIVEN_FILTER):
            continue
        value = pick(name, schema, random_, shapes)
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        else:
            query[name] = value
    if "from" in names and random_.random() < 0.95:
        query |= make_range(random_, shapes)
    return f"{path}?{urlencode(query)}" if query else path


def pick(name: str, schema: Mapping[str, Any], random_: random.Random, shapes: Shapes) -> str:
    if name == "bucket_key":
        return f"{random_.choice(shapes.site_ids)}_{date_of(shapes)}_{random_.randrange(24):02}:30"
    if name in PICKED:
        return PICKED[name](random_, shapes, schema)
    return str(random_.choice(schema["enum"]))


def make_range(random_: random.Random, shapes: Shapes) -> dict[str, str]:
    last, days = date_of(shapes), random_.choice(RANGE_DAYS)
    return {"from": f"{last - timedelta(days=days - 1)}", "to": f"{last}"}


def date_of(shapes: Shapes) -> date:
    """The last day."""
    return datetime.fromtimestamp(shapes.last_day / 1000, UTC).date()

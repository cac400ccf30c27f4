"""`footfall sites`, as an operator types it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from footfall.__main__ import cli
from footfall.sites import FROM_NOW_ON, HOLDS
from shared.queue.event_queue import EventQueue
from shared.sites.published import PublishedSites
from shared.sites.strangers import Strangers
from tests.events import NOW
from tests.servers import ValkeyServer


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner(env=environ).invoke(cli, ["sites", *arguments])


def told(result: Result) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def published(queue: EventQueue) -> list[str]:
    found = PublishedSites(queue).fetch()
    return sorted(found.sites) if found else []


def test_a_site_is_registered_changed_shown_and_forgotten(
    environ: dict[str, str], queue: EventQueue
) -> None:
    created = told(
        run(
            environ,
            "create",
            "shop",
            "--name",
            "Shop",
            "--host",
            "A.example",
            "--host",
            "b.example",
        )
    )
    assert (created["site_id"], created["name"], created["hosts"]) == (
        "shop",
        "Shop",
        ["a.example", "b.example"],
    )
    assert published(queue) == ["shop"]
    changed = run(environ, "set", "shop", "--host", "", "--alias", "7", "--keep-parameter", "p")
    assert "hosts" in changed.stderr
    assert "from now on" in changed.stderr
    assert told(changed) == created | {
        "hosts": [],
        "aliases": ["7"],
        "kept_parameters": ["p"],
        "changed_at": told(changed)["changed_at"],
        "revision": told(changed)["revision"],
    }
    assert told(run(environ, "show", "shop")) == told(changed)
    for given, kept in (("500", 500), ("0", 0), ("", None)):
        limited = told(run(environ, "set", "shop", "--events-per-second", given))
        assert limited["events_per_second"] == kept
    for given, period in (("month", "month"), ("", "day")):
        changed = run(environ, "set", "shop", "--visitor-period", given, "--alias", "7")
        assert told(changed)["visitor_period"] == period
        assert changed.stderr.splitlines() == [
            f"aliases: {FROM_NOW_ON}",
            f"visitor_period: {HOLDS['visitor_period']}",
        ]
    for given, age in (("30", 30), ("0", 0), ("", None)):
        changed = run(environ, "set", "shop", "--raw-data-age", given)
        assert told(changed)["raw_data_age"] == age
        assert "raw_data_age: holds for events that are there, too" in changed.stderr
    changed = run(environ, "set", "shop", "--name", "Shop")
    assert told(run(environ, "list")) == told(changed)
    strangers = Strangers(queue, 0)
    strangers.enter([], NOW)
    assert run(environ, "delete", "shop").exit_code == 0
    # It has events, perhaps, and goes on to have them.
    assert strangers.counted() is None
    assert strangers.admit(["shop"]) == []
    assert run(environ, "list").stdout == ""
    assert published(queue) == []


def test_it_asks_before_it_forgets_for_how_long_events_are_kept(environ: dict[str, str]) -> None:
    told(run(environ, "create", "shop", "--raw-data-age", "0"))
    asked = run(environ, "delete", "shop")
    assert asked.exit_code == 1
    assert "shop has a raw_data_age of its own" in asked.stderr
    assert told(run(environ, "show", "shop"))["raw_data_age"] == 0
    assert run(environ, "delete", "shop", "--yes").exit_code == 0
    assert run(environ, "list").stdout == ""


def test_how_a_site_is_told_holds_for_the_past_as_well(environ: dict[str, str]) -> None:
    created = told(run(environ, "create", "shop", "--time-zone", "Asia/Kolkata", "--public"))
    assert (created["time_zone"], created["public"]) == ("Asia/Kolkata", True)
    assert (created["week_start"], created["currency"]) == ("monday", "")
    changed = run(
        environ,
        *("set", "shop", "--time-zone", "", "--week-start", "sunday", "--currency", "inr"),
        *("--not-public", "--alias", "7"),
    )
    assert told(changed)["time_zone"] == ""
    assert told(changed)["week_start"] == "sunday"
    assert (told(changed)["currency"], told(changed)["public"]) == ("INR", False)
    from_now_on, for_the_past = changed.stderr.splitlines()
    assert from_now_on.startswith("aliases: holds for events from now on")
    assert for_the_past.startswith("time_zone, week_start, currency, public: holds for the past")
    assert told(run(environ, "set", "shop", "--name", "Shop")) == told(changed) | {
        "name": "Shop",
        "changed_at": told(run(environ, "show", "shop"))["changed_at"],
        "revision": 3,
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("create", "shop", "--host", "a/b"), "hosts 'a/b' is no host"),
        (("create", "shop", "--time-zone", "Berlin"), "time_zone must be an IANA time zone"),
        (("create", "shop", "--week-start", "friday"), "week_start must be one of monday"),
        (("create", "shop", "--currency", "euro"), "currency must be a code of ISO 4217"),
        (("create", " "), "site_id must be a text"),
        (("create", "shop", "--events-per-second", "-1"), "events_per_second must be a number"),
        (("create", "shop", "--raw-data-age", "36501"), "raw_data_age must be a number from 0 to"),
        (("create", "shop", "--visitor-period", "year"), "visitor_period must be one of day, week"),
        (("set", "shop", "--name", "x"), "shop is not registered"),
        (("delete", "shop"), "shop is not registered"),
        (("show", "shop"), "shop is not registered"),
    ],
)
def test_what_cannot_be_done_is_said(
    environ: dict[str, str], arguments: tuple[str, ...], why: str
) -> None:
    result = run(environ, *arguments)
    assert result.exit_code != 0
    assert why in str(result.exception)


def test_nothing_to_change_is_a_mistake(environ: dict[str, str]) -> None:
    assert "say what to change" in run(environ, "set", "shop").output


def test_without_redis_it_is_set_all_the_same(
    environ: dict[str, str], valkey: ValkeyServer
) -> None:
    valkey.kill()
    result = run(environ, "create", "shop")
    assert told(result)["site_id"] == "shop"
    assert "the periodic process tells ingestion" in result.stderr
    assert told(run(environ, "list"))["site_id"] == "shop"

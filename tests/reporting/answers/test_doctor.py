"""Each thing that a doctor finds wrong: what makes it say so, and what does not."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reporting.answers.doctor import processes, requests, stores
from reporting.answers.doctor.finding import Finding, Severity, is_wrong, listed, worst_first
from reporting.answers.doctor.route import doctor_of, find_all
from reporting.answers.doctor.seen import DatabaseSeen, RedisSeen, Seen
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS
from shared.keys.keys import Kind
from shared.keys.stored import StoredKey
from shared.queue.refusals import Refused
from shared.queue.watching import DoorReport, Noted
from shared.settings import Settings
from tests.events import NOW

CODE = re.compile(r'\b(?:error|warning|hint)\(\s*"([a-z_]+)"')
ASKED = 60_000
DOOR = DoorReport(name="machine:1", told_at=NOW)
PEER = {"address_from": "peer", "peer": "203.0.113.0/24", "peer_class": "public"}
ADDRESS = {"address": "203.0.113.0/24", "address_class": "public", "sender": "a"}
OF_PROXY = {
    "address": "172.18.0.0/24",
    "address_class": "private",
    "peer": "172.18.0.0/24",
    "peer_class": "private",
}
PAGE = {"origin_scheme": "https", "origin_host": "shop.example", "host": "count.example"}
SECURE = {**PAGE, "forwarded_proto": "https"}
PLAIN = {**PAGE, "origin_scheme": "http"}


def noted(**given: Any) -> Noted:
    usual = {"door": "machine:1", "at": NOW, "method": "POST", "path": "/event", "status": 202}
    return Noted(**{**usual, **PEER, **ADDRESS, "site_id": "shop", **given})


def seen(*requests: Noted, doors: Any = (DOOR,), **given: Any) -> Seen:
    settings = given.pop("settings", Settings())
    return Seen(now=NOW, settings=settings, noted=requests, doors=doors, asked_ms=ASKED, **given)


def by_door(**given: Any) -> Seen:
    return seen(noted(), doors=[DoorReport(**{"name": "machine:1", **given})])


def by_redis(**given: Any) -> Seen:
    return seen(noted(), redis=RedisSeen(**given))


def by_database(**given: Any) -> Seen:
    return seen(noted(), database=DatabaseSeen(**given))


def by_settings(**given: Any) -> Seen:
    return seen(noted(), settings=Settings(**given))


def key(**given: Any) -> StoredKey:
    usual: dict[str, Any] = dict.fromkeys(StoredKey._fields)
    made = {"key_id": "k3J9xQ2b", "kind": Kind.READ, "sites": (), "name": "Grafana"}
    return StoredKey(**{**usual, **made, "expires_at": NOW + DAY_MS, **given})


def of_one(number: int, **given: Any) -> Seen:
    return seen(*[noted(**{**OF_PROXY, **PLAIN, **given}) for _ in range(number)])


def of_several(number: int, **given: Any) -> Seen:
    senders = [noted(**{**OF_PROXY, **PLAIN, **given, "sender": str(n)}) for n in range(number)]
    return seen(*senders)


FORWARDED = {"forwarded": ("X-Forwarded-For",)}
TRUSTING = DoorReport(name="machine:1", trusted_proxies=("10.0.0.0/8",))

# By the code of what is found: its setting, what makes it so, and what does not.
CASES: dict[str, tuple[str | None, list[Seen], list[Seen]]] = {
    "untrusted_proxy": (
        "TRUSTED_PROXIES",
        [
            seen(noted(**FORWARDED)),
            seen(noted(**{**OF_PROXY, **FORWARDED})),
            seen(noted(**{**OF_PROXY, **FORWARDED}), doors=[TRUSTING]),
        ],
        [
            seen(noted(**{**FORWARDED, "address_from": "X-Forwarded-For"})),
            seen(noted(**FORWARDED), doors=[TRUSTING]),  # it pretends to be one
            seen(noted()),
        ],
    ),
    "one_sender": (
        "TRUSTED_PROXIES",
        [of_one(5), of_one(5, address_class="loopback"), of_one(5, address_class="proxy")],
        [
            of_one(4),
            of_several(5),
            of_one(5, host="localhost"),
            of_one(5, host="127.0.0.1"),
            of_one(5, origin_host=None),  # a server's
            of_one(5, address_class="public"),
            of_one(5, address_from="X-Forwarded-For"),
        ],
    ),
    "no_address": (
        "ADDRESS_HEADER",
        [seen(noted(address_from=None, address=None, **FORWARDED))],
        [seen(noted()), seen(noted(address_from=None, address=None, peer=None))],
    ),
    "origin_refused": (
        "CORS_ORIGINS",
        [seen(noted(is_origin_refused=True, method="OPTIONS", code="cors_origin", **SECURE))],
        [seen(noted(**SECURE))],
    ),
    "host_not_allowed": (
        None,
        [
            seen(noted(status=403, code="host_not_allowed", **SECURE)),
            by_redis(refused_today={Refused("shop", 403, "host_not_allowed"): 3}),
        ],
        [
            seen(noted(**SECURE)),
            by_redis(refused_today={Refused("shop", 400, "missing_field"): 3}),
        ],
    ),
    "public_url_http": (
        "PUBLIC_INGESTION_URL",
        [seen(noted(**SECURE), settings=Settings(public_ingestion_url="http://count.example"))],
        [
            seen(noted(**SECURE), settings=Settings(public_ingestion_url="https://count.example")),
            seen(noted(**PLAIN), settings=Settings(public_ingestion_url="http://count.example")),
            seen(noted(**SECURE)),
        ],
    ),
    "asked_by_http": (
        None,
        [seen(noted(**{**PAGE, "forwarded_proto": "http"}))],
        [
            seen(noted(**SECURE)),
            seen(noted(**{**PLAIN, "forwarded_proto": "http"})),
            seen(noted(**{**PAGE, "forwarded_proto": "http", "host": "localhost"})),
        ],
    ),
    "scheme_unsaid": (
        None,
        [seen(noted(**PAGE))],
        [seen(noted(**SECURE)), seen(noted(**PLAIN)), seen(noted(**{**PAGE, "host": "::1"}))],
    ),
    "bad_timestamp": (
        None,
        [seen(noted(status=400, code="bad_timestamp"))],
        [seen(noted(status=400, code="missing_field"))],
    ),
    "far_timestamps": (
        None,
        [
            seen(noted(ahead_ms=HOUR_MS)),
            seen(noted(ahead_ms=-HOUR_MS), noted(ahead_ms=0)),
        ],
        [
            seen(noted(ahead_ms=9 * MINUTE_MS), noted(ahead_ms=-9 * MINUTE_MS)),
            seen(noted(ahead_ms=-HOUR_MS), noted(ahead_ms=0), noted(ahead_ms=0)),
            seen(noted()),
        ],
    ),
    "unknown_sites": (
        "REGISTERED_SITES_ONLY",
        [
            by_redis(refused_today={Refused("", 403, "unknown_site"): 10}),
            seen(*[noted(status=403, code="unknown_site")] * 10),
        ],
        [
            by_redis(refused_today={Refused("", 403, "unknown_site"): 9}),
            seen(*[noted(status=403, code="unknown_site")] * 9),
        ],
    ),
    "stray_path": (
        None,
        [seen(noted(status=404, code="not_found", path="…/event"))],
        [seen(noted(status=400, code="missing_field"))],
    ),
    "page_without_key": (
        "INGEST_AUTH",
        [seen(noted(status=401, code="unauthorized", **SECURE))],
        [seen(noted(status=401, code="unauthorized")), seen(noted(**SECURE))],
    ),
    "key_refused": (
        "INGEST_AUTH",
        [seen(noted(status=401, code="unauthorized")), seen(noted(status=403, code="wrong_key"))],
        [seen(noted(status=401, code="unauthorized", **SECURE)), seen(noted())],
    ),
    "no_ingestion": (
        "REDIS_URL",
        [seen(doors=[])],
        [
            seen(),
            replace(seen(doors=[]), asked_ms=1000),
            seen(doors=[], redis=RedisSeen(problem="away")),
        ],
    ),
    "clock_off": (
        None,
        [
            by_redis(ahead_ms=6_000),
            by_redis(ahead_ms=-6_000),
            by_door(ahead_ms=6_000),
            by_database(ahead_ms=-6_000),
        ],
        [
            by_redis(ahead_ms=4_000),
            by_door(ahead_ms=-4_000),
            by_database(ahead_ms=4_000),
            by_database(ahead_ms=None),
        ],
    ),
    "country_database": (
        "COUNTRY_DATABASE",
        [by_door(country_problem="COUNTRY_DATABASE: /x.mmdb: No such file or directory")],
        [by_door(country_built_at=NOW)],
    ),
    "country_database_old": (
        "COUNTRY_DATABASE",
        [by_door(country_built_at=NOW - 91 * DAY_MS)],
        [by_door(country_built_at=NOW - 90 * DAY_MS), by_door()],
    ),
    "reporting_open": (
        "API_AUTH",
        [by_settings(reporting_host="0.0.0.0", allow_open=True)],
        [by_settings(reporting_host="0.0.0.0", api_auth="key"), by_settings()],
    ),
    "ingestion_open": (
        "API_AUTH",
        [by_door(host="0.0.0.0")],
        [by_door(host="0.0.0.0", has_key=True), by_door(host="127.0.0.1")],
    ),
    "key_ends": (
        None,
        [by_database(keys=[key()]), by_database(keys=[key(expires_at=NOW + 7 * DAY_MS)])],
        [
            by_database(keys=[key(expires_at=NOW + 7 * DAY_MS + 1)]),
            by_database(keys=[key(expires_at=None)]),
            by_database(keys=[key(expires_at=NOW)]),
            by_database(keys=[key(successor="another")]),
        ],
    ),
    "data_dir_open": (
        "DATA_DIR",
        [
            by_door(data_dir_problem="/data has the mode 0755"),
            seen(noted(), data_dir_problem="/data has the mode 0755"),
        ],
        [by_door()],
    ),
    "ingestion_warns": (
        "MAX_SITES",
        [by_door(warnings=("MAX_SITES: there are 100 sites",))],
        [by_door()],
    ),
    "no_requests": (None, [seen()], [seen(noted()), replace(seen(), asked_ms=1000)]),
    "redis_away": ("REDIS_URL", [by_redis(problem="gone")], [by_redis()]),
    "redis_unsafe": ("REDIS_URL", [by_redis(unsafe="Redis evicts keys")], [by_redis()]),
    "unwatched": ("REDIS_URL", [by_redis(unwatched="it is a replica")], [by_redis()]),
    "database_away": ("DATABASE_URL", [by_database(problem="gone")], [by_database()]),
    "not_migrated": ("DATABASE_URL", [by_database(lack="lacks the table x")], [by_database()]),
    "no_workers": (
        "REDIS_URL",
        [by_redis(workers=0)],
        [by_redis(workers=1), by_redis(workers=0, problem="gone")],
    ),
    "no_periodic": (
        None,
        [by_redis(periodic=0)],
        [by_redis(periodic=2), by_redis(periodic=0, problem="gone")],
    ),
    "not_merged": (None, [by_database(not_merged=["not merged: 7; why?"])], [by_database()]),
    "dead_letters": (None, [by_database(dead=1)], [by_database(dead=0)]),
    "silent_spool": ("DATA_DIR", [by_redis(silent_spooled=2)], [by_redis()]),
}


def found(seen: Seen, code: str) -> list[Finding]:
    return [finding for finding in find_all(seen) if finding.code == code]


@pytest.mark.parametrize("code", CASES)
def test_what_is_wrong_is_found(code: str) -> None:
    setting, wrong, _ = CASES[code]
    for each in wrong:
        (finding,) = found(each, code)
        assert finding.setting == setting
        for sentence in (finding.seen, finding.advice):
            assert not sentence[0].islower()
            assert sentence[-1] in ".?"
            assert ".." not in sentence
        if setting is not None:
            assert any(setting in text for text in (finding.seen, finding.advice))


@pytest.mark.parametrize("code", CASES)
def test_what_is_right_is_not(code: str) -> None:
    for each in CASES[code][2]:
        assert found(each, code) == []


def test_where_nothing_is_wrong_nothing_is_found() -> None:
    well = doctor_of(seen(noted(**SECURE), noted(ahead_ms=0)))
    assert well.findings == []
    assert well.is_well
    assert well.ingestion_processes == 1


def test_every_finding_has_its_cases() -> None:
    codes = set()
    for module in (requests, processes, stores):
        codes |= {*CODE.findall(Path(str(module.__file__)).read_text("utf-8"))}
    assert codes == CASES.keys()


def test_the_worst_is_told_first_and_hints_are_nothing_wrong() -> None:
    hint, warning, error = (
        Finding(severity, "code", None, "Seen.", "Do.")
        for severity in (Severity.HINT, Severity.WARNING, Severity.ERROR)
    )
    assert worst_first([hint, error, warning]) == [error, warning, hint]
    assert not is_wrong([hint])
    assert is_wrong([hint, warning])


def test_the_latest_request_is_told_first_without_what_is_for_nobody() -> None:
    told = doctor_of(seen(noted(at=NOW - 1), noted(at=NOW, **FORWARDED))).requests
    assert [len(each.forwarded) for each in told] == [1, 0]
    assert not {"sender", "peer", "door"} & {*told[0].__struct_fields__}


def test_long_lists_are_cut() -> None:
    assert listed([None, "a", "b", "a"]) == "a, b"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"

"""Registered sites: shown, made, changed, deleted. `footfall sites` does the same."""

from typing import Annotated, Any

import msgspec

from reporting.admin.call import SITE, Asking, Body, Call, refused
from reporting.admin.desk import Desk
from reporting.answers.members import NEXT_CURSOR, about, moment
from reporting.ask.parameter import Parameter
from reporting.ask.parameters import CURSOR, PAGE_LIMIT, one_of
from reporting.route import Example
from shared.clock import iso_from_ms
from shared.db.database import translated_errors
from shared.errors import InvalidInput
from shared.sites.erasures import Erasure, fetch_erasures
from shared.sites.settings import NOTHING_SET, SiteSettings, unknown_setting
from shared.sites.stored import (
    change_site,
    changed_meanwhile,
    create_site,
    delete_site,
    erase_site,
    fetch_sites,
    find_site,
    known_site,
    name_taken,
    site_known,
    unregistered,
)
from shared.sites.told import ToldSite, told_site

WITH_EVENTS = Parameter(
    "with_events",
    "`true` deletes all its events and numbers, too, for good, which takes a while.",
    one_of("true", "false"),
    "false",
)
# What concerns other sites: whose events are whose, how many one may have, and for how long.
FOR_ALL = ("aliases", "events_per_second", "raw_data_age")


class NewSite(SiteSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site to register, and what is set for it; what is not given is as it is by default."""

    site_id: str


class Changes(SiteSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to set anew; what is not given stays as it is."""

    # If the site has changed since this one was seen, nothing is changed.
    revision: int | None = None


class RegisteredSites(msgspec.Struct):
    """Sites that somebody has registered, in order of `site_id`."""

    sites: list[ToldSite]
    next_cursor: Annotated[str, NEXT_CURSOR] | msgspec.UnsetType = msgspec.UNSET


Warnings = Annotated[list[str], about("What whoever changed it should know, in a sentence each.")]


class ChangedSite(msgspec.Struct):
    """How the site is since."""

    site: ToldSite
    warnings: Warnings


class LeftSite(msgspec.Struct):
    """It is not registered any more."""

    site_id: str
    is_being_erased: Annotated[bool, about("Its events are being deleted: see `/admin/erasures`.")]
    warnings: Warnings


class ToldErasure(msgspec.Struct):
    site_id: str
    asked_at: Annotated[str, moment("When it was asked for.")]
    events: Annotated[int | None, about("How many it had when that began; null before.")]
    done_at: Annotated[str | None, about("When it was done; null before that.")]


class Erasures(msgspec.Struct):
    """Sites that are being deleted with their events, and those that were."""

    erasures: list[ToldErasure]


def list_sites(desk: Desk, asking: Asking) -> RegisteredSites:
    after, limit = asking.asked[CURSOR] or "", asking.asked[PAGE_LIMIT]
    with translated_errors(), desk.reading.begin() as connection:
        found = fetch_sites(connection, after, limit + 1, asking.caller.sites)
    page = found[:limit]
    more = page[-1].site_id if len(found) > limit else msgspec.UNSET
    return RegisteredSites([told_site(site) for site in page], more)


def show_site(desk: Desk, asking: Asking) -> ToldSite:
    with translated_errors(), desk.reading.begin() as connection:
        return told_site(known_site(connection, asking.site_id))


def make_site(desk: Desk, asking: Asking) -> ChangedSite:
    given = asking.read(dict[str, Any])
    if "site_id" not in given:
        raise InvalidInput("missing_field", "site_id required", field="site_id")
    site_id = given.pop("site_id")
    if isinstance(site_id, str):  # what else it is, is refused below
        asking.own(site_id)
    refuse_for_some(asking, given)
    site = create_site(desk.engine, site_id, given, asking.now)
    return ChangedSite(told_site(site), [*desk.tell()])


def set_site(desk: Desk, asking: Asking) -> ChangedSite:
    given = asking.read(dict[str, Any])
    revision = given.pop("revision", None)
    if revision is not None and type(revision) is not int:
        raise InvalidInput("bad_field", "revision must be a whole number", field="revision")
    site_id = asking.site_id
    refuse_for_some(asking, given)
    site = change_site(desk.engine, site_id, given, asking.now, revision)
    return ChangedSite(told_site(site), [*desk.tell()])


def leave_site(desk: Desk, asking: Asking) -> LeftSite:
    with_events = asking.asked[WITH_EVENTS] == "true"
    site_id = asking.site_id
    if asking.caller.sites:
        refuse_to_forget(desk, site_id)
    if with_events:
        erase_site(desk.engine, site_id, asking.now)
    else:
        delete_site(desk.engine, site_id)
    return LeftSite(site_id, with_events, [*desk.tell(is_left=True)])


def list_erasures(desk: Desk, asking: Asking) -> Erasures:
    with translated_errors(), desk.reading.begin() as connection:
        found = fetch_erasures(connection)
    return Erasures([told_erasure(one) for one in found.values() if asking.is_for(one.site_id)])


def told_erasure(erasure: Erasure) -> ToldErasure:
    done = None if erasure.done_at is None else iso_from_ms(erasure.done_at)
    return ToldErasure(erasure.site_id, iso_from_ms(erasure.asked_at), erasure.events, done)


def refuse_to_forget(desk: Desk, site_id: str) -> None:
    """Raises InvalidInput where what concerns other sites is set, and would be gone with the site;
    whoever is asked to keep an eye on these has to do it."""
    with translated_errors(), desk.reading.begin() as connection:
        found = find_site(connection, site_id)
    for name in FOR_ALL:
        if found and getattr(found.settings, name) != getattr(NOTHING_SET, name):
            raise concerns_others(name)


def concerns_others(name: str) -> InvalidInput:
    sentence = f"{name} concerns other sites as well, and this key is not for all"
    return InvalidInput("other_site", sentence, field=name, status=403)


def refuse_for_some(asking: Asking, given: dict[str, Any]) -> None:
    """Raises InvalidInput where a key of some sites would set what concerns the others."""
    for name in FOR_ALL:
        if asking.caller.sites and name in given:
            raise concerns_others(name)


SHOP = ToldSite(
    site_id="shop",
    name="The shop",
    hosts=("shop.example",),
    created_at="2025-11-15T18:00:00Z",
    changed_at="2025-11-15T18:00:00Z",
    revision=1,
)
NEWS = ToldSite(
    site_id="news",
    aliases=("newspaper",),
    created_at="2025-11-15T18:00:00Z",
    changed_at="2025-11-15T18:00:00Z",
    revision=1,
)
RENAMED = {"name": "The shop"}
CHANGED_AT = "2025-11-15T18:32:00Z"
BLOG = ToldSite(
    site_id="blog",
    name="The blog",
    excluded_paths=("/admin/*",),
    created_at=CHANGED_AT,
    changed_at=CHANGED_AT,
    revision=1,
)
QUIETER = msgspec.structs.replace(
    SHOP, excluded_addresses=("203.0.113.0/24",), changed_at=CHANGED_AT, revision=2
)
UNKNOWN = refused(unregistered("nobody"), "Nobody has registered it", site_id="nobody")
BAD_VALUE = InvalidInput("bad_setting", "hosts must be a list of texts", field="hosts")
CALLS = (
    Call(
        "get",
        "/admin/sites",
        "The registered sites",
        "In order of `site_id`, those that the caller's key is for; `limit` at a time.",
        list_sites,
        (Example("sites", "Two sites", RegisteredSites([NEWS, SHOP])),),
        parameters=(PAGE_LIMIT, CURSOR),
    ),
    Call(
        "post",
        "/admin/sites",
        "Register a site",
        "Ingestion knows within five seconds. Settings hold for events from then on, but "
        "`raw_data_age` for those that are there, too.",
        make_site,
        (Example("created", "It is registered", ChangedSite(BLOG, [])),),
        body=Body(
            NewSite,
            {
                "created": {
                    "site_id": "blog",
                    "name": "The blog",
                    "excluded_paths": ["/admin/*"],
                }
            },
        ),
        status=201,
        refusals={
            400: (
                refused(
                    InvalidInput("missing_field", "site_id required", field="site_id"),
                    "Without its id",
                    {"name": "The blog"},
                ),
                refused(
                    BAD_VALUE,
                    "A value that cannot be",
                    {"site_id": "blog", "hosts": "blog.example"},
                ),
                refused(
                    unknown_setting("colour"), "No setting", {"site_id": "blog", "colour": "red"}
                ),
            ),
            409: (
                refused(site_known("shop"), "It is registered", {"site_id": "shop"}),
                refused(
                    name_taken("shop"),
                    "Another site has that name",
                    {"site_id": "blog", "aliases": ["shop"]},
                ),
            ),
        },
    ),
    Call(
        "get",
        "/admin/sites/{site_id}",
        "A registered site",
        "All that is set for it.",
        show_site,
        (Example("site", "It", SHOP),),
        parameters=(SITE,),
        refusals={404: (UNKNOWN,)},
    ),
    Call(
        "patch",
        "/admin/sites/{site_id}",
        "Change what is set for a site",
        "What is not given stays as it is; a list is given whole. With the `revision` that was "
        "seen, nothing is changed if somebody else was faster.",
        set_site,
        (Example("changed", "It is changed", ChangedSite(QUIETER, [])),),
        parameters=(SITE,),
        body=Body(Changes, {"changed": {"excluded_addresses": ["203.0.113.0/24"], "revision": 1}}),
        refusals={
            400: (
                refused(
                    BAD_VALUE,
                    "A value that cannot be",
                    {"hosts": "blog.example"},
                ),
                refused(
                    InvalidInput("bad_field", "revision must be a whole number", field="revision"),
                    "A revision that cannot be",
                    {"revision": "1"},
                ),
                refused(unknown_setting("colour"), "No setting", {"colour": "red"}),
            ),
            404: (
                refused(
                    unregistered("nobody"), "Nobody has registered it", RENAMED, site_id="nobody"
                ),
            ),
            409: (
                refused(
                    changed_meanwhile("shop", 1),
                    "Somebody was faster",
                    {"name": "x", "revision": 7},
                ),
                refused(name_taken("news"), "Another site has that name", {"aliases": ["news"]}),
            ),
        },
    ),
    Call(
        "delete",
        "/admin/sites/{site_id}",
        "Forget a site",
        "What is set for it is forgotten; its events stay for as long as `MAX_AGE` says, and are "
        "counted, but `with_events`: "
        "then all it has is deleted by the periodic process, and what is posted of it until that "
        "is done is not kept.",
        leave_site,
        (Example("left", "It is not registered any more", LeftSite("shop", False, [])),),
        parameters=(SITE, WITH_EVENTS),
        refusals={404: (UNKNOWN,)},
    ),
    Call(
        "get",
        "/admin/erasures",
        "Sites that are deleted",
        "Those that are being deleted with their events, and those that were.",
        list_erasures,
        (
            Example(
                "erasing",
                "One that waits to begin",
                Erasures([ToldErasure("old", "2025-11-15T18:00:00Z", None, None)]),
            ),
        ),
    ),
)

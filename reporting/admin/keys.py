"""Keys for callers: shown, made, rotated, revoked. `footfall keys` does the same."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from reporting.admin.call import KEY_ID, Asking, Body, Call, refused
from reporting.admin.desk import Desk
from reporting.admin.sites import Warnings
from reporting.answers.members import about
from reporting.route import Example
from shared.clock import DAY_MS, iso_from_ms
from shared.db.database import translated_errors
from shared.errors import InvalidInput
from shared.fields import MAX_NAME
from shared.keys.keys import Kind
from shared.keys.stored import (
    MOST_EVENTS_PER_DAY,
    MOST_SITES,
    StoredKey,
    bad_name,
    create_key,
    dead_key,
    fetch_keys,
    no_such_key,
    other_name,
    over_already,
    revoke_key,
    rotate_key,
    rotated_key,
)
from shared.keys.told import NOT_ASKED, ToldKey, told_key, unasked

# The last whole second that can be written so.
LATEST_MS = 253_402_300_799_000
# How long a key that is rotated holds, unless it is said.
GRACE_MS = DAY_MS

Moment = Annotated[datetime, Meta(tz=True)]
SiteName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make. Without `sites` it is for all, without `expires_at` it holds until it is
    revoked."""

    kind: Kind
    sites: Annotated[tuple[SiteName, ...], Meta(max_length=MOST_SITES)] = ()
    name: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    expires_at: Moment | None = None
    events_per_day: Annotated[int, Meta(ge=1, le=MOST_EVENTS_PER_DAY)] | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until when the old key holds: for another day, where that is not given."""

    until: Moment | None = None


class Keys(msgspec.Struct):
    """All keys that there ever were, in the order in which they were made."""

    keys: list[ToldKey]


class MadeKey(msgspec.Struct):
    """A new key: this is the only time that it is told."""

    key: Annotated[str, about("The key itself. Nobody can look it up later.")]
    about: ToldKey
    warnings: Warnings


class RevokedKey(msgspec.Struct):
    """It lets nobody in any more, within five seconds."""

    about: ToldKey
    warnings: Warnings


def list_keys(desk: Desk, _: Asking) -> Keys:
    with translated_errors(), desk.reading.begin() as connection:
        return Keys([told_key(key) for key in fetch_keys(connection)])


def make_key(desk: Desk, asking: Asking) -> MadeKey:
    given = asking.read(NewKey)
    end = later_ms("expires_at", given.expires_at, asking.now)
    try:
        made, text = create_key(
            desk.engine, given.kind, given.sites, given.name, end, asking.now, given.events_per_day
        )
    except InvalidInput as error:
        raise of_sites(error) from None
    return new_key(desk, made, text)


def change_key(desk: Desk, asking: Asking) -> MadeKey:
    until = later_ms("until", asking.read(Rotation).until, asking.now) or asking.now + GRACE_MS
    return new_key(desk, *rotate_key(desk.engine, asking.asked[KEY_ID], until, asking.now))


def new_key(desk: Desk, made: StoredKey, text: str) -> MadeKey:
    return MadeKey(text, told_key(made), [*unasked(made.kind, desk.settings), *desk.tell()])


def end_key(desk: Desk, asking: Asking) -> RevokedKey:
    revoked = revoke_key(desk.engine, asking.asked[KEY_ID], asking.now)
    return RevokedKey(told_key(revoked), [*desk.tell()])


def of_sites(error: InvalidInput) -> InvalidInput:
    """The same, where it is of a site: the command gives each as `site_id`."""
    if error.field == "site_id":
        error.field = "sites"
    return error


def later_ms(field: str, moment: datetime | None, now: int) -> int | None:
    """Raises InvalidInput where it is over."""
    if moment is None:
        return None
    end = int(moment.timestamp() * 1000)
    if end <= now:
        raise over_already(field)
    if end > LATEST_MS:
        sentence = f"{field} must not be later than {iso_from_ms(LATEST_MS)}"
        raise InvalidInput("bad_expiry", sentence, field=field)
    return end


READER = ToldKey(
    key_id="Xk3vPq9T",
    kind=Kind.READ,
    sites=("shop",),
    name="The shop's own page",
    events_per_day=None,
    successor=None,
    created_at="2025-11-15T18:00:00Z",
    expires_at=None,
    revoked_at=None,
    last_used_at=None,
)
NOW = "2025-11-15T18:32:00Z"
POSTER = ToldKey(
    key_id="b7Rw20Lm",
    kind=Kind.INGEST,
    sites=("shop",),
    name="The shop's server",
    events_per_day=1_000_000,
    successor=None,
    created_at=NOW,
    expires_at="2026-11-15T00:00:00Z",
    revoked_at=None,
    last_used_at=None,
)
TEXT = "ff_b7Rw20Lm_0123456789abcdefghijABCDEFGHIJkl"
UNKNOWN = refused(no_such_key("nothing"), "There is none", key_id="nothing")
OVER = "2025-01-01T00:00:00Z"
CALLS = (
    Call(
        "get",
        "/admin/keys",
        "The keys of callers",
        "All there ever were; of none the key itself. Takes a key for all sites.",
        list_keys,
        (Example("keys", "One key", Keys([READER])),),
        is_for_all=True,
    ),
    Call(
        "post",
        "/admin/keys",
        "Make a key",
        "*ingest* posts events, *read* asks for numbers, *admin* may do both, and change what is "
        "set. Takes a key for all sites.",
        make_key,
        (Example("made", "It is made", MadeKey(TEXT, POSTER, [NOT_ASKED[Kind.INGEST]])),),
        body=Body(
            NewKey,
            {
                "made": {
                    "kind": "ingest",
                    "sites": ["shop"],
                    "name": "The shop's server",
                    "expires_at": "2026-11-15T00:00:00Z",
                    "events_per_day": 1_000_000,
                }
            },
        ),
        status=201,
        refusals={
            400: (
                refused(
                    InvalidInput("missing_field", "kind required", field="kind"),
                    "Without its kind",
                    {"name": "The shop's server"},
                ),
                refused(
                    InvalidInput("bad_field", "kind: invalid enum value 'write'", field="kind"),
                    "Another kind",
                    {"kind": "write"},
                ),
                refused(
                    over_already("expires_at"),
                    "It would be over",
                    {"kind": "read", "expires_at": OVER},
                ),
                refused(
                    InvalidInput("unknown_field", "there is no colour to give", field="colour"),
                    "Nothing that a key has",
                    {"kind": "read", "colour": "red"},
                ),
                refused(
                    bad_name("name"),
                    "A name that cannot be printed",
                    {"kind": "read", "name": "a\0b"},
                ),
                refused(
                    of_sites(other_name("newspaper", "news")),
                    "For a site by another name of it",
                    {"kind": "read", "sites": ["newspaper"]},
                ),
            )
        },
        is_for_all=True,
    ),
    Call(
        "post",
        "/admin/keys/{key_id}/rotate",
        "Make another key like one",
        "The old one holds for another day, or `until`, and no longer than it would have.",
        change_key,
        (Example("rotated", "Another one is made", MadeKey(TEXT, READER, [NOT_ASKED[Kind.READ]])),),
        parameters=(KEY_ID,),
        body=Body(Rotation, {"rotated": {"until": "2025-11-20T00:00:00Z"}}, is_required=False),
        status=201,
        refusals={
            400: (
                refused(over_already("until"), "It would be over", {"until": OVER}),
                refused(
                    InvalidInput(
                        "bad_field", "until: expected `datetime | null`, got `bool`", field="until"
                    ),
                    "A time that is none",
                    {"until": False},
                ),
                refused(
                    InvalidInput("unknown_field", "there is no for to give", field="for"),
                    "Nothing that a rotation has",
                    {"for": "a week"},
                ),
            ),
            404: (UNKNOWN,),
            409: (
                refused(dead_key("Gone0000"), "It was revoked", key_id="Gone0000"),
                refused(rotated_key("Once0000", "Xk3vPq9T"), "It was rotated", key_id="Once0000"),
            ),
        },
        is_for_all=True,
    ),
    Call(
        "delete",
        "/admin/keys/{key_id}",
        "Revoke a key",
        "Within five seconds it lets nobody in. Takes a key for all sites.",
        end_key,
        (
            Example(
                "revoked",
                "It is revoked",
                RevokedKey(msgspec.structs.replace(READER, revoked_at=NOW), []),
            ),
        ),
        parameters=(KEY_ID,),
        refusals={404: (UNKNOWN,)},
        is_for_all=True,
    ),
)

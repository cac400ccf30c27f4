"""What the nightly comparison of counts and events came to: Redis keeps the last one."""

import msgspec


class Verification(msgspec.Struct, frozen=True):
    """Times are in ms. It was of the days from `since` on, as they were at `until`, when it began,
    or later."""

    since: int
    until: int
    ended_at: int
    differences: int


VERIFICATION = msgspec.json.Decoder(Verification)
VERIFICATION_ENCODER = msgspec.json.Encoder()

"""Which time zones there are, and with which day a week may begin."""

import zoneinfo
from functools import lru_cache

# The days that a week may begin with, as `date.weekday` counts them; the first is the usual one.
WEEK_STARTS = {"monday": 0, "sunday": 6, "saturday": 5}
MONDAY, SUNDAY, _ = WEEK_STARTS


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """IANA's names, without those that stand for whatever this machine is set to."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}

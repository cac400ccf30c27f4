"""Servers that are away when a process starts: it goes on and says once a minute whom it waits for.

A check raises Unavailable where its server does not answer, and BadSetting where it answers and
refuses us, which no waiting mends; either message is a sentence that names the setting.
"""

import logging
import math
import threading
import time
from collections.abc import Callable

from shared.errors import BadSetting, Unavailable

log = logging.getLogger("footfall")

SAY_SECONDS = 60.0
LOOK_SECONDS = 2.0

Check = Callable[[], None]


class Reminder:
    """Says what would be said again and again at most once in SAY_SECONDS."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.next_at = -math.inf

    def say(self, sentence: str) -> None:
        now = self.clock()
        if now >= self.next_at:
            self.next_at = now + SAY_SECONDS
            log.warning(sentence)


def wait_for(*checks: Check) -> None:
    """Look once, and see to what is away beside whatever the process does now.

    Raises BadSetting where a server refuses us. One that comes later and refuses is only said: by
    then others depend on this process, and whoever runs the server may yet let us in.
    """
    away = find_away(*checks)
    reminders = {check: Reminder() for check in away}
    for check, error in away.items():
        reminders[check].say(f"waiting: {error}")
    if away:
        threading.Thread(target=wait_until_there, args=(reminders,), daemon=True).start()


def find_away(*checks: Check) -> dict[Check, Unavailable]:
    """Which of these do not answer, and how that shows. Raises BadSetting."""
    away = {}
    for check in checks:
        try:
            check()
        except Unavailable as error:
            away[check] = error
    return away


def wait_until_there(
    reminders: dict[Check, Reminder], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Say what is away until nothing is.

    It sleeps first: a server that forks its processes now must not find a lock of ours held.
    """
    sleep(LOOK_SECONDS)
    while say_away(reminders):
        sleep(LOOK_SECONDS)
    log.info("the servers that were away answer")


def say_away(reminders: dict[Check, Reminder]) -> bool:
    """Whether something is away still; it is said where it is time."""
    is_away = False
    for check, reminder in reminders.items():
        try:
            check()
        except (Unavailable, BadSetting) as error:
            reminder.say(f"waiting: {error}")
            is_away = True
    return is_away

"""The summary's arithmetic: when accepted = stored may be said."""

from collections import Counter

import pytest

from footfall.load.balance import Balance, Ledger, ledger_from


def balance(
    accepted: int,
    stored: int,
    *,
    ledger: int | None = None,
    unanswered: int = 0,
    duplicates: int = 0,
    dead: int = 0,
    **dropped: int,
) -> Balance:
    took_in = accepted if ledger is None else ledger
    return Balance(
        accepted, unanswered, stored, Ledger(took_in, duplicates, dead, Counter(dropped))
    )


@pytest.mark.parametrize(
    "accounted_for",
    [
        balance(100, 100),
        balance(100, 90, bot=7, burst=3),
        balance(100, 98, dead=2),
        # An answer was lost, and its events came twice: once more dropped, once more a duplicate.
        balance(100, 90, ledger=101, bot=11),
        balance(100, 100, ledger=101, duplicates=1),
        # Somebody else's events came meanwhile, and some of them were dropped.
        balance(100, 100, ledger=150, bot=20),
        # Never answered, and there all the same.
        balance(99, 100, ledger=100, unanswered=1),
    ],
)
def test_what_is_accounted_for_is_equal(accounted_for: Balance) -> None:
    assert accounted_for.is_equal


@pytest.mark.parametrize(
    ("unaccounted_for", "missing"),
    [
        (balance(100, 99), 1),
        (balance(100, 90, bot=7), 3),
        (balance(100, 99, ledger=150, duplicates=20), 1),
        (balance(100, 101), -1),
        (balance(100, 101, ledger=150), -1),
        # All that the ledger took in were ours, so none of these can be somebody else's.
        (balance(100, 95, bot=9), -4),
        (balance(100, 100, ledger=103, bot=4), -4),
    ],
)
def test_what_is_not_accounted_for_is_not_equal(unaccounted_for: Balance, missing: int) -> None:
    assert not unaccounted_for.is_equal
    assert unaccounted_for.missing == missing


def test_the_ledger_of_a_run_is_what_it_added() -> None:
    status = {"accepted": 10, "duplicates": 1, "dead": 0, "dropped": {"bot": 2}}
    after = {"accepted": 60, "duplicates": 1, "dead": 3, "dropped": {"bot": 5, "burst": 4}}
    assert ledger_from(after).since(ledger_from(status)) == Ledger(
        50, 0, 3, Counter(bot=3, burst=4)
    )

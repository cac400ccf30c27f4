"""A run is bounded, can be stopped, and says what it did."""

from collections import Counter

import pytest

from footfall.load.balance import Balance, Ledger
from footfall.load.display import Display
from footfall.load.measures import Figures
from footfall.load.run import GRACE_SECONDS, Outcome, Wanted, send
from footfall.load.sending.sender import Sender
from footfall.load.summary import summary
from footfall.load.target import Target
from footfall.load.traffic.plan import Plan
from footfall.load.traffic.traffic import Shape
from tests.footfall.importing.conftest import Patience
from tests.servers import free_port

FIGURES = Figures(5.0, 1000.4, 1.24, 2.0, 3.0, 5000, errors=2, overdue=10)


class Ticking:
    """A clock that is a fifth of a second later each time somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.2
        return self.now


def wanted(seconds: float) -> Wanted:
    nowhere = Target("127.0.0.1", free_port(), "")
    return Wanted(nowhere, nowhere, "site", Shape(10), seconds)


def sender_for(wanted: Wanted) -> Sender:
    plan = Plan(wanted.shape.rate, wanted.events)
    return Sender(wanted.target.address, plan, lambda _: b"", Ticking(), connections=1)


def test_a_server_that_stays_away_does_not_keep_a_run_going() -> None:
    run = wanted(2)
    shown: list[Figures] = []
    with sender_for(run) as sender:
        send(sender, run, Patience(), shown.append)
        assert 2 + GRACE_SECONDS < sender.clock() < 2 + GRACE_SECONDS + 5
        assert sender.unanswered == 1
        assert sender.plan.taken == 1
    # About one a second, of the time that passed.
    assert 10 < len(shown) <= 2 + GRACE_SECONDS
    assert shown[-1].errors > 10
    assert shown[-1].overdue == 19


def test_stopped_once_it_waits_for_answers_and_stopped_twice_it_does_not() -> None:
    run = wanted(600)
    patience = Patience()
    looks = 0

    def stop(_: Figures) -> None:
        nonlocal looks
        looks += 1
        patience.stop_requested = looks in {3, 5}

    with sender_for(run) as sender:
        send(sender, run, patience, stop)
        assert sender.plan.is_over
        assert not sender.is_done
    assert looks == 5


def outcome(balance: Balance, errors: dict[str, int] | None = None, not_sent: int = 0) -> Outcome:
    return Outcome(wanted(2), FIGURES, errors or {}, 0, 0, not_sent, 0.5, balance)


@pytest.mark.parametrize(
    ("accepted", "stored", "dropped", "verdict"),
    [
        (20, 20, 0, "accepted = stored"),
        (20, 15, 5, "accepted = stored + dropped + dead"),
        (20, 15, 4, "accepted != stored: 1 events are neither stored nor dropped nor dead"),
        (20, 21, 0, "accepted != stored: 1 more are stored, dropped or dead than this run sent"),
        (0, 0, 0, "nothing was accepted"),
    ],
)
def test_the_verdict_is_the_last_line(
    accepted: int, stored: int, dropped: int, verdict: str
) -> None:
    ledger = Ledger(accepted, 0, 0, Counter(bot=dropped))
    ended = outcome(Balance(accepted, 0, stored, ledger))
    assert summary(ended).splitlines()[-1] == verdict
    assert ended.is_proven == ("=" in verdict and "!" not in verdict)


def test_what_went_wrong_is_in_the_summary() -> None:
    balance = Balance(10, 3, 10, Ledger(11, 1, 0, Counter()))
    text = summary(outcome(balance, {"connection refused": 7}, not_sent=5))
    for line in (
        "7 times connection refused",
        "3 events sent and never answered",
        "5 events not sent in time",
        "1 duplicates of events whose answer was lost",
    ):
        assert f" {line}\n" in text


def test_a_file_gets_a_line_each_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for second in range(1, 11):
            display.show(Figures(float(second), 1000.4, 1.24, 2.0, 3.0, 5000, 2, 10), None)
    head, fifth, tenth = capsys.readouterr().err.splitlines()
    assert head.split()[:2] == ["time", "accepted/s"]
    assert fifth.split() == ["5", "s", "1,000", "1.2", "2.0", "3.0", "2", "10", "?"]
    assert tenth.split()[0] == "10"

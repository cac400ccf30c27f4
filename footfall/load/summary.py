"""What is printed when a run has ended: what was measured, and what became of the events."""

from footfall.load.balance import Balance
from footfall.load.run import Outcome


def summary(outcome: Outcome) -> str:
    return "\n".join([*measured(outcome), "", *compared(outcome)])


def measured(outcome: Outcome) -> list[str]:
    figures, wanted = outcome.figures, outcome.wanted
    planned = f"{wanted.events:,} events planned in {wanted.duration_seconds:g} s"
    lines = [
        f"{planned}, {wanted.batch} a request; answered after {figures.elapsed_seconds:.1f} s",
        f"  {figures.rate:>12,.0f} events accepted a second",
        f"  {figures.p50_ms:>12,.1f} ms from planned to answered, half of all requests",
        f"  {figures.p95_ms:>12,.1f} ms, 95 % of them",
        f"  {figures.p99_ms:>12,.1f} ms, 99 % of them",
    ]
    lines += [
        f"  {number:>12,} times {reason}" for reason, number in sorted(outcome.errors.items())
    ]
    counts = {
        "events sent again": outcome.resent,
        "events rejected": outcome.rejected,
        "events sent and never answered": outcome.balance.unanswered,
        "events not sent in time": outcome.not_sent,
    }
    return lines + [f"  {number:>12,} {what}" for what, number in counts.items() if number]


def compared(outcome: Outcome) -> list[str]:
    balance = outcome.balance
    lines = [
        f"{outcome.wanted.site}, {outcome.drain_seconds:.1f} s later:",
        f"  {balance.accepted:>12,} accepted: answered with 202",
        f"  {balance.stored:>12,} stored: what /stats shows",
        *(
            f"  {number:>12,} dropped as {reason}"
            for reason, number in sorted(balance.ledger.dropped.items())
        ),
    ]
    counts = {
        "duplicates of events whose answer was lost": balance.ledger.duplicates,
        "dead letters": balance.ledger.dead,
    }
    lines += [f"  {number:>12,} {what}" for what, number in counts.items() if number]
    return [*lines, verdict(balance)]


def verdict(balance: Balance) -> str:
    if not balance.accepted:
        return "nothing was accepted"
    if not balance.is_equal:
        return f"accepted != stored: {difference(balance)}"
    if balance.ledger.not_stored and balance.stored < balance.accepted:
        return "accepted = stored + dropped + dead"
    return "accepted = stored"


def difference(balance: Balance) -> str:
    if balance.missing > 0:
        return f"{balance.missing:,} events are neither stored nor dropped nor dead"
    return f"{-balance.missing:,} more are stored, dropped or dead than this run sent"

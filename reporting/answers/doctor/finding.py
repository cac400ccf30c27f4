"""What is found wrong, how bad it is, and what to do."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from reporting.answers.members import about


class Severity(StrEnum):
    """Of a finding, the worst first."""

    ERROR = "error"  # events are not taken or may be lost, or numbers are open to anybody
    WARNING = "warning"  # numbers are wrong or will be, or something is about to end
    HINT = "hint"  # worth knowing, and perhaps as it should be


class Finding(Struct, frozen=True):
    """Something that is set wrong, or out of order."""

    severity: Annotated[
        Severity,
        Meta(
            description="`error`: events are not taken or may be lost, or numbers are open to "
            "anybody; `warning`: numbers are wrong or will be; `hint`: worth knowing.",
        ),
    ]
    code: Annotated[str, about("What it is; stable, for programs.")]
    setting: Annotated[str | None, about("The setting to look at; null where there is none.")]
    seen: Annotated[str, about("What was seen, in a sentence for people.")]
    advice: Annotated[str, about("What to do, in a sentence for people.")]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def is_wrong(findings: Iterable[Finding]) -> bool:
    """Whether there is more than a hint."""
    return any(finding.severity is not Severity.HINT for finding in findings)


def error(code: str, setting: str | None, seen: str, advice: str) -> Finding:
    return Finding(Severity.ERROR, code, setting, seen, advice)


def warning(code: str, setting: str | None, seen: str, advice: str) -> Finding:
    return Finding(Severity.WARNING, code, setting, seen, advice)


def hint(code: str, setting: str | None, seen: str, advice: str) -> Finding:
    return Finding(Severity.HINT, code, setting, seen, advice)


def listed(names: Iterable[str | None], most: int = 5) -> str:
    """`a, b, c and 2 more`, each once."""
    known = list(dict.fromkeys(name for name in names if name))
    more = len(known) - most
    return ", ".join(known[:most]) + (f" and {more} more" if more > 0 else "")


Findings = Iterator[Finding]

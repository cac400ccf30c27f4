"""What is printed when an import has ended: the counts, and where its first day is to be seen."""

import shlex
from urllib.parse import urlencode

from footfall.importing.progress import Progress
from footfall.importing.run import Outcome
from footfall.run.banner import KEY_HEADER
from footfall.run.services import base_url
from shared.settings import Settings

COUNTS = """\
{head}
  {lines:>13,} lines read
  {accepted:>13,} events accepted
  {rejected:>13,} rejected by ingestion
  {bad:>13,} bad: no request could be read
  {repaired:>13,} repaired: damaged behind the request"""


def report(outcome: Outcome, settings: Settings, seconds: float) -> str:
    progress = outcome.progress
    if outcome.is_complete and not lines_now(outcome) and progress.position.lines:
        return (
            f"{outcome.name} is imported already, to line {progress.position.lines:,}; "
            "--again imports it anew"
        )
    text = COUNTS.format(
        head=head(outcome, seconds),
        lines=progress.position.lines,
        accepted=progress.accepted,
        rejected=progress.rejected,
        bad=progress.bad,
        repaired=progress.repaired,
    )
    if progress.first_day:
        text += f"\nThe numbers of its first day:\n  {example(progress, settings)}"
    return text


def lines_now(outcome: Outcome) -> int:
    return outcome.progress.position.lines - outcome.before.position.lines


def head(outcome: Outcome, seconds: float) -> str:
    lines = outcome.progress.position.lines
    if outcome.is_complete:
        what = f"Imported {outcome.name} as {outcome.progress.site}, in {seconds:.1f} s"
    else:
        what = f"Stopped behind line {lines:,} of {outcome.name}, after {seconds:.1f} s; "
        what += (
            "the same command goes on there" if outcome.can_resume else "it cannot be resumed there"
        )
    if outcome.before.position.lines:
        what += f" ({lines_now(outcome):,} lines in this run)"
    return what + ":"


def example(progress: Progress, settings: Settings) -> str:
    url = base_url(settings.reporting_host, settings.reporting_port)
    query = urlencode({"site_id": progress.site, "date": progress.first_day})
    key = KEY_HEADER if settings.api_auth else ""
    return f"curl {key}{shlex.quote(f'{url}/stats?{query}')}"

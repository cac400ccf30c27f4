"""Imports an access log: reads it in chunks, posts each, and notes how far it has come.

What was posted and not noted, because the process died in between, is posted again under the same
event ids, and counts once.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import msgspec

from footfall.importing.display import Display
from footfall.importing.errors import CannotImport
from footfall.importing.event_sender import Answer, Sender
from footfall.importing.log_chunks import Chunk, chunks_of, encoder
from footfall.importing.log_file import LogFile, opened
from footfall.importing.progress import (
    Progress,
    ProgressFile,
    find_progress,
    imports_directory,
)
from footfall.importing.stopping import Stopping
from footfall.importing.visitors import visitors
from shared.fields import MAX_NAME
from shared.settings import Settings

# So many bad and so many repaired lines are named; all are counted.
MOST_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to import, where to, and as what."""

    name: str
    site: str
    url: str
    users: str
    event_type: str
    again: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How far an import came, all runs together, and how far it was before this run."""

    name: str
    progress: Progress
    before: Progress
    is_complete: bool
    can_resume: bool


def import_log(wanted: Wanted, settings: Settings, stopping: Stopping) -> Outcome:
    """Import what is not imported yet, or until told to stop. Raises CannotImport."""
    check(wanted)
    directory = imports_directory(settings)
    user_of = visitors(wanted.users, wanted.site, directory)
    event_of = encoder(wanted.site, wanted.event_type, user_of)
    with opened(wanted.name, stopping) as log, Display(log.name, log.size) as display:
        file, before = begin(log, directory, wanted)
        if before.position.lines:
            display.say(f"going on behind line {before.position.lines:,}")
        key = settings.api_auth if settings.ingest_auth else ""
        with closing(Sender(wanted.url, key, stopping, display.say)) as sender:
            progress = before
            for chunk in chunks_of(log, event_of):
                answer = None if stopping.stop_requested else outcome_of(chunk, sender)
                if answer is None:
                    break
                name_lines(chunk, answer, progress, before, display)
                progress = progress_behind(chunk, answer, progress)
                file.save(progress)
                display.move_to(log.position_in_file())
        # A pipe ends where it is stopped.
        was_cut = log.size is None and stopping.stop_requested
        is_complete = progress.position.lines == log.lines and not was_cut
        if is_complete and log.problem:
            raise log.problem
        return Outcome(log.name, progress, before, is_complete, log.size is not None)


def check(wanted: Wanted) -> None:
    for option, value in (("--site", wanted.site), ("--event-type", wanted.event_type)):
        if not value.strip() or len(value) > MAX_NAME or not value.isprintable():
            raise CannotImport(f"{option} must have 1 to {MAX_NAME} printable characters")


def begin(log: LogFile, directory: Path, wanted: Wanted) -> tuple[ProgressFile, Progress]:
    """Where progress is kept, and what it was; the log is behind it."""
    file, found = find_progress(log, directory, wanted.site)
    fresh = Progress(wanted.site, wanted.url, wanted.users, wanted.event_type)
    if found is None:
        return file, fresh
    if wanted.again:
        log.rewind()
        file.save(fresh)  # so that stopping early does not bring the old one back
        return file, fresh
    for option in ("url", "users", "event_type"):
        if (was := getattr(found, option)) != getattr(fresh, option):
            flag = option.replace("_", "-")
            raise CannotImport(
                f"{log.name} was imported with --{flag} {was}: say so to go on behind line "
                f"{found.position.lines:,}, or --again to import it all anew"
            )
    return file, found


def outcome_of(chunk: Chunk, sender: Sender) -> Answer | None:
    return sender.post(chunk.events) if chunk.events else Answer(accepted=0)


def progress_behind(chunk: Chunk, answer: Answer, progress: Progress) -> Progress:
    rejected = {rejection.index for rejection in answer.rejected}
    times = [time for index, time in enumerate(chunk.times) if index not in rejected]
    days = [progress.first_day] if progress.first_day else []
    if times:
        days.append(min(times).date().isoformat())
    return msgspec.structs.replace(
        progress,
        position=chunk.position,
        accepted=progress.accepted + answer.accepted,
        repaired=progress.repaired + len(chunk.repaired),
        rejected=progress.rejected + len(answer.rejected),
        bad=progress.bad + len(chunk.bad),
        first_day=min(days, default=""),
    )


def name_lines(
    chunk: Chunk, answer: Answer, progress: Progress, before: Progress, display: Display
) -> None:
    """Name the lines that are not what they should be, of bad and repaired ones the first few."""
    for number, reason in chunk.bad[: left(progress.bad - before.bad)]:
        display.say(f"line {number}: {reason}")
    for number in chunk.repaired[: left(progress.repaired - before.repaired)]:
        display.say(f"line {number}: is damaged behind its request; counted without the damage")
    for line in rejections(chunk, answer):
        display.say(line)


def left(named: int) -> int:
    return max(0, MOST_NAMED - named)


def rejections(chunk: Chunk, answer: Answer) -> Iterator[str]:
    """All that ingestion rejected; neighbours with the same reason in one line."""
    # Of neighbours the index grows as fast as their number does.
    numbered = enumerate(sorted(answer.rejected, key=lambda rejection: rejection.index))
    for (_, reason), group in groupby(
        numbered, lambda each: (each[1].index - each[0], each[1].error)
    ):
        lines = [chunk.numbers[rejection.index] for _, rejection in group]
        named = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
        yield f"{named}: rejected by ingestion: {reason}"

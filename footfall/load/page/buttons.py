"""The runs that the page's buttons start: one at a time, each for half a minute at most."""

import dataclasses
import threading
from typing import Any

from footfall.load.errors import CannotLoad
from footfall.load.measures import Figures
from footfall.load.run import Outcome, Run, Wanted, site_for
from footfall.load.summary import compared
from footfall.load.target import Target
from footfall.load.traffic.traffic import Shape, users_for
from shared.clock import now_ms
from shared.settings import Settings

SECONDS = 30
# Events a second, and how many of them go in a request.
BUTTONS = {100: 1, 1_000: 1, 10_000: 100}


class StopButton:
    """What a run asks to know that it should end; see footfall/importing/stopping.py."""

    def __init__(self) -> None:
        self.pressed = threading.Event()

    @property
    def stop_requested(self) -> bool:
        return self.pressed.is_set()

    @stop_requested.setter
    def stop_requested(self, value: bool) -> None:
        if value:
            self.pressed.set()
        else:
            self.pressed.clear()

    def wait(self, seconds: float) -> None:
        self.pressed.wait(seconds)


class Buttons:
    """Starts and stops runs, and tells how far the present or last one is. Any thread may ask."""

    def __init__(self, settings: Settings, target: Target, reporting: Target) -> None:
        self.settings = settings
        self.target = target
        self.reporting = reporting
        self.lock = threading.Lock()
        self.stop_button = StopButton()
        self.thread: threading.Thread | None = None
        self.run: Run | None = None
        self.figures: Figures | None = None
        self.backlog: int | None = None
        self.outcome: Outcome | None = None
        self.error = ""

    @property
    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def start(self, rate: int) -> bool:
        """Start a run at one of the rates of `BUTTONS`; False while another one goes on."""
        with self.lock:
            if self.is_running:
                return False
            wanted = Wanted(
                self.target,
                self.reporting,
                site_for(now_ms()),
                Shape(rate, users_for(rate)),
                SECONDS,
                BUTTONS[rate],
            )
            self.run = Run(wanted, self.settings)
            self.figures = self.backlog = self.outcome = None
            self.error = ""
            self.stop_button.stop_requested = False
            self.thread = threading.Thread(target=self.execute, args=(self.run,), daemon=True)
            self.thread.start()
            return True

    def stop(self) -> None:
        """The run ends early, and is checked all the same."""
        self.stop_button.stop_requested = True

    def close(self) -> None:
        while self.is_running and self.thread:
            self.stop()  # again, once the first one has ended the sending
            self.thread.join(0.1)

    def execute(self, run: Run) -> None:
        try:
            self.outcome = run.execute(self.stop_button, self.show)
        except CannotLoad as error:
            self.error = str(error)

    def show(self, figures: Figures, backlog: int | None) -> None:
        self.figures, self.backlog = figures, backlog

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        run, outcome, figures = self.run, self.outcome, self.figures
        return {
            "is_running": self.is_running,
            "site": run.wanted.site if run else None,
            "rate": run.wanted.shape.rate if run else None,
            "is_over": run.plan.is_over if run else False,
            "figures": dataclasses.asdict(figures) if figures else None,
            "backlog": self.backlog,
            "events": list(run.requests.last)[::-1] if run else [],
            "verdict": compared(outcome) if outcome else [],
            "is_proven": outcome.is_proven if outcome else None,
            "error": self.error,
        }

"""Start one event worker: `python -m worker`. Start as many as you like, on any machine."""

import logging

from shared.errors import BadSetting
from shared.process import collect_seldom, refuse, start
from worker.jobs import drain, runtime
from worker.run.rq_worker import begin, start_thread, stop_on_signals, sweep_for_ever, work

log = logging.getLogger("worker")


def main() -> None:
    configured = start("worker")
    try:
        stop_on_signals(runtime().stopping)
        begin(configured)
    except BadSetting as error:
        refuse(error)
    queue = runtime().queue
    start_thread(lambda: sweep_for_ever(runtime()))
    collect_seldom()
    log.info("working on the queue %s", queue.rq.name)
    work(configured, queue.rq.name, runtime().stopping, when_full=drain)


if __name__ == "__main__":
    main()

"""Start one event worker: `python -m worker`. Start as many as you like, on any machine."""

import logging

from shared.errors import BadSetting
from shared.process import refuse, start
from worker.jobs import runtime
from worker.rq_worker import start_sweeping, stop_on_signals, work

log = logging.getLogger("worker")


def main() -> None:
    configured = start("worker")
    try:
        stop_on_signals(runtime().stopping)
    except BadSetting as error:
        refuse(error)
    queue = runtime().queue
    start_sweeping(queue)
    log.info("working on the queue %s", queue.rq.name)
    work(configured, queue.rq.name, runtime().stopping)


if __name__ == "__main__":
    main()

"""One of several processes that share an issue, run as `python -m publisher.work.child`: a pipe tells it which slices to send.

On standard input stands an Order, then a line for each slice, and `stop` when there are no more or it is to stop: what is on the wire is finished.
The end of the pipe is the end of the parent. On standard output stands an Answer for each slice.
"""

import os
import pickle
import queue
import sys
import threading
import traceback
from typing import BinaryIO

from sqlalchemy.exc import DBAPIError

from publisher.db import Database
from publisher.deliver.worker import send_slice
from publisher.errors import Busy, PublisherError
from publisher.i18n import _, use_language
from publisher.work.orders import Answer, Order
from publisher.work.orphans import end_soon, following


def _listen(source: BinaryIO, numbers: "queue.SimpleQueue[int | None]", stop: threading.Event) -> None:
    for line in source:
        if line == b"stop\n":
            stop.set()
            numbers.put(None)
        else:
            numbers.put(int(line))
    end_soon(stop)
    numbers.put(None)


def _send(database: Database, order: Order, number: int, stop: threading.Event) -> Answer:
    try:
        send_slice(database, order.settings, order.keys, order.issue_id, number, secrets=order.secrets, clock=order.now, stop=stop)
    except Busy:
        return Answer(number, busy=True)
    except PublisherError as error:
        return Answer(number, trouble=error)
    except DBAPIError as error:
        # Its parts do not travel through a pipe; the first line is what a person can use.
        return Answer(number, trouble=PublisherError(_("the database refused: %(reason)s", reason=str(error.orig).splitlines()[0])))
    return Answer(number)


def main() -> None:
    """Send the slices that are named on standard input, until its end."""
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever else is printed must not get between the answers.
    os.dup2(2, 1)
    stop = threading.Event()
    try:
        order: Order = pickle.load(source)
    except EOFError:
        # The parent died before it had said what to do.
        os._exit(1)
    use_language(order.language)
    numbers: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    code = 1
    try:
        with following(order.parent, stop):
            threading.Thread(target=_listen, args=(source, numbers, stop), name="parent", daemon=True).start()
            database = Database(order.database_url)
            while not stop.is_set() and (number := numbers.get()) is not None:
                pickle.dump(_send(database, order, number, stop), answers)
                answers.flush()
        code = 0
    except BrokenPipeError:
        code = 1  # the parent is gone: what was sent stands in the database
    except BaseException:
        # A fault of ours: the parent hears that this process ended, and here stands why.
        traceback.print_exc()
    finally:
        # The thread at the pipe holds its lock, which the interpreter's own end would wait for.
        os._exit(code)


if __name__ == "__main__":
    main()

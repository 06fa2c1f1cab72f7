"""A process of its own that holds a lock until it is killed, run as: python tests/holder.py URL NAME."""

import sys
import time

from publisher.db import Database
from publisher.locks import hold

if __name__ == "__main__":
    database = Database(sys.argv[1])
    with hold(database.engine, sys.argv[2]):
        print("held", flush=True)
        time.sleep(120)

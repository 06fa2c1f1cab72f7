"""The comparison: the same mails by smtplib as it stands, `python -m benchmarks.sending.plain CONFIG ISSUE --messages N --connections K`.

The mails are rendered by us, and then each thread hands over its share with `smtplib.SMTP.sendmail` over a connection of its own. It is spared the
claims, the journal and the settlements. Prints one line of JSON.
"""

import argparse
import json
import smtplib
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sending.sender import KEYS, cpu_seconds
from publisher.db import Database
from publisher.deliver.message import Mailing, load_mailing
from publisher.settings_file import load_settings
from publisher.settings_sending import Relay
from publisher.tokens import Keys


def main(arguments: Sequence[str] | None = None) -> int:
    """Send and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sending.plain", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("issue", type=int)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    asked = parser.parse_args(arguments)
    settings = load_settings(asked.config)
    database = Database(settings.database_url)
    with database.reading() as session:
        mailing = load_mailing(session, settings, Keys(KEYS), asked.issue)
    database.close()
    relay = Relay.parse(settings.all_relays()[0].url)
    before, began = cpu_seconds(), time.perf_counter()
    threads = [threading.Thread(target=_hand_over, args=(mailing, relay, range(first, asked.messages + 1, asked.connections)))
               for first in range(1, asked.connections + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    print(json.dumps({"messages": asked.messages, "send_seconds": seconds, "cpu_seconds": cpu_seconds() - before}))
    return 0


def _hand_over(mailing: Mailing, relay: Relay, readers: range) -> None:
    with smtplib.SMTP(relay.host, relay.port, "localhost", 60) as connection:
        for number in readers:
            mail = mailing.to(number, f"reader.{number}@example.jp")
            connection.sendmail(mail.sender, [mail.recipient], mail.data)


if __name__ == "__main__":
    sys.exit(main())

"""A process of its own that sends notices until it is killed, run as: python -m tests.notice_sender URL RELAY."""

import sys

from publisher.db import Database
from tests.mailing import Clock
from tests.notices import NoticeRoom, settings

if __name__ == "__main__":
    NoticeRoom(Database(sys.argv[1]), settings(site={"url": "http://127.0.0.1:8000"}, mail={"relay": sys.argv[2]}), Clock()).send()

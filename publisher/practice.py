"""A relay for practice: a real SMTP server on this machine that keeps each mail as a file and sends nothing on."""

import os
import re
import socket
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from publisher.errors import PublisherError
from publisher.i18n import _

# RFC 5321 section 4.5.3.1 sets no upper limit; ten times the size at which Gmail clips a mail is enough for a newsletter.
_LARGEST = 10 * 1024 * 1024


class _Keeper:
    """Writes each accepted mail to `folder`, whole or not at all, before the client is told that it was taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = len(list(folder.glob("*.eml")))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep one mail (aiosmtpd calls this by its name)."""
        self.kept += 1
        reader = re.sub(r"[^\w.@+-]", "_", envelope.rcpt_tos[0])[:100]
        path = self.folder / f"{self.kept:04d}-{reader}.eml"
        draft = path.with_suffix(".part")
        content = envelope.content or b""
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(draft, path)
        return f"250 2.0.0 kept as {path.name}"


class PracticeRelay:
    """The relay as a context: it listens inside the block. `port` 0 takes any free one; `kept` counts the files of the folder."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.host = folder, host
        self.port = port or _free_port(host)
        self._keeper = _Keeper(folder)
        self._controller = Controller(self._keeper, hostname=host, port=self.port, data_size_limit=_LARGEST, ready_timeout=10)

    @property
    def kept(self) -> int:
        """How many mails the folder holds."""
        return self._keeper.kept

    def __enter__(self) -> "PracticeRelay":
        try:
            self._controller.start()
        except OSError as error:
            raise PublisherError(_("the relay for practice cannot listen at %(host)s:%(port)s", host=self.host, port=self.port),
                                 remedy=_("another program may be using the port: choose one with --listen")) from error
        return self

    def __exit__(self, *_raised: object) -> None:
        self._controller.stop()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])

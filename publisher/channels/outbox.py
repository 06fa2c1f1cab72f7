"""A channel for dry runs: each post becomes a file, once, and reaches nobody."""

import os
from datetime import datetime
from pathlib import Path

from publisher.channels.base import ChannelError, Posted


class Outbox:
    """Writes posts into a folder, one file each, named by the post: a second try finds the file and changes nothing."""

    repeatable = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def post(self, post_id: int, text: str, now: datetime) -> Posted:
        """Write the file, whole or not at all. Raises ChannelError when the folder cannot be written."""
        path = self.folder / f"{post_id:04d}.txt"
        draft = path.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(text + "\n", "utf-8")
            os.replace(draft, path)
        except OSError as error:
            raise ChannelError(f"{path}: {error.strerror}", permanent=False) from error
        return Posted(path.name, path.resolve().as_uri())

    def find(self, text: str, since: datetime, now: datetime) -> Posted | None:
        """The file that holds this text. Raises ChannelError when one of them cannot be read."""
        wanted = (text + "\n").encode()
        for path in sorted(self.folder.glob("*.txt")):
            try:
                found = path.read_bytes()
            except OSError as error:
                raise ChannelError(f"{path}: {error.strerror}", permanent=False) from error
            if found == wanted:
                return Posted(path.name, path.resolve().as_uri())
        return None

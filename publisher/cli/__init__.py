"""The command line, one file a noun. The language is chosen before any help text is built."""

import io
import sys
from collections.abc import Sequence

from publisher.i18n import use_language
from publisher.settings_environment import interface_language


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    # A terminal that knows no Japanese shows a mark instead; nothing ends in the middle for that.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    use_language(interface_language(given))
    # Help texts and the names of parameters are made when the commands are imported: the language must stand first.
    try:
        from publisher.cli.clicks_words import translate_click

        translate_click()
        from publisher.cli.commands import publisher
    except KeyboardInterrupt:
        # Stopped before it had begun: what a shell says of a program that Ctrl-C ended.
        sys.exit(130)
    publisher.main(given, prog_name="publisher")

"""`publisher relay`: a relay for practice, so that a newsroom can send in earnest and reach nobody."""

from pathlib import Path

import click

from publisher.cli.frame import Desk, examples, pass_desk
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.practice import PracticeRelay
from publisher.settings_sending import is_loopback
from publisher.signals import stopped_by_signals


@click.command(help=_("Run a relay for practice: every mail is kept as a file, none is sent on.") + "\n\n" + examples(
    "publisher relay", "publisher relay --listen 127.0.0.1:2525 --folder outbox/mail"))
@click.option("--listen", default="127.0.0.1:2525", show_default=True, metavar="HOST:PORT", help=_("Where to listen; on this machine only."))
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("outbox/mail"), show_default=True,
              help=_("Where the mails are kept."))
@pass_desk
def relay(desk: Desk, listen: str, folder: Path) -> None:
    """Listen until SIGTERM or SIGINT."""
    host, _colon, port = listen.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536 or not is_loopback(host):
        raise PublisherError(_("%(listen)s is not an address of this machine such as 127.0.0.1:2525", listen=listen))
    with stopped_by_signals() as stop, PracticeRelay(folder, host, int(port)) as running:
        desk.say("✓ " + _("Listening at %(listen)s; mails are kept in %(folder)s. Stop with Ctrl-C.", listen=listen, folder=folder))
        before = running.kept
        stop.wait()
        desk.say("✓ " + _("Kept %(n)s mails.", n=running.kept - before))

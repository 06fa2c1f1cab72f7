"""All commands under one roof, with one border at which errors become a line and an exit code."""

import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from publisher import __version__
from publisher.cli import rights as _rights  # noqa: F401 - its commands register themselves
from publisher.cli import subscribers_files as _files  # noqa: F401 - as rights
from publisher.cli import unknown as _unknown  # noqa: F401 - as rights
from publisher.cli.demo import demo
from publisher.cli.dkim import dkim
from publisher.cli.doctor import doctor
from publisher.cli.events import events
from publisher.cli.frame import FAILED, Desk, examples
from publisher.cli.issues import issues
from publisher.cli.ledger import ledger
from publisher.cli.lists import lists
from publisher.cli.mail import mail
from publisher.cli.moving import import_newsroom
from publisher.cli.newsletters import newsletters
from publisher.cli.notices import notices
from publisher.cli.posts import posts
from publisher.cli.primary import primary
from publisher.cli.rehearse import rehearse
from publisher.cli.relay import relay
from publisher.cli.relays import relays
from publisher.cli.send import send
from publisher.cli.serve import run
from publisher.cli.setup import check, init
from publisher.cli.stories import stories
from publisher.cli.subscribers import subscribers
from publisher.cli.work import work
from publisher.deliver.faults import as_trouble
from publisher.errors import PublisherError
from publisher.i18n import LANGUAGES, _


class Border(click.Group):
    """The last border: what went wrong leaves as one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of ours and of the database become a line and an exit code."""
        try:
            return super().invoke(ctx)
        except PublisherError as error:
            click.echo(f"✗ {error}", err=True)
            ctx.exit(error.exit_code)
        except (DBAPIError, MemoryError) as error:
            said = str(error.orig).splitlines()[0] if isinstance(error, DBAPIError) else ""
            click.echo(f"✗ {as_trouble(error) or _('the database refused: %(reason)s', reason=said)}", err=True)
            ctx.exit(FAILED)
        except BrokenPipeError:
            # The reader of our output (`| head`) has gone; that is no fault of this command.
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            # A folder that cannot be written, a disk that is full: the file and the reason are all a person can use.
            click.echo(f"✗ {error.filename or ''}: {error.strerror or error}".replace("✗ : ", "✗ "), err=True)
            ctx.exit(FAILED)


@click.group(cls=Border, context_settings={"help_option_names": ["-h", "--help"]}, help=_(
    "Sends a newsroom's stories as a newsletter and as short posts: nothing told twice, nobody skipped.") + "\n\n" + examples(
    "publisher init", "publisher stories ingest", "publisher send morning", "publisher run") + "\n\n" + _(
    "Exit codes: 0 done, 1 failed or refused, 2 wrong usage or configuration, 3 some of the input was refused, 4 something waits for another try."))
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False),
              help=_("The configuration file (default: publisher.toml, or PUBLISHER_CONFIG)."))
@click.option("--lang", type=click.Choice(LANGUAGES), help=_("Language of this command (default: the locale)."))
@click.version_option(__version__, message="publisher %(version)s", help=_("Show the version."))
@click.pass_context
def publisher(ctx: click.Context, config: Path | None, lang: str | None) -> None:
    """Open the desk for the command that follows; `--lang` was read before the help texts were made."""
    ctx.obj = Desk(config)


for command in (demo, init, check, doctor, stories, subscribers, lists, send, issues, newsletters, events, notices, mail, posts, ledger, run, work,
                relay, relays, primary, rehearse, import_newsroom, dkim):
    publisher.add_command(command)

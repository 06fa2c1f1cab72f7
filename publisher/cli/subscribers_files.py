"""`publisher subscribers import` and `export`: files of readers, in and out."""

import io
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from publisher.cli.frame import OK, REFUSED_SOME, Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.subscribers import subscribers
from publisher.errors import BadInput, PublisherError
from publisher.i18n import _, ngettext
from subscribers.models import SUBSCRIPTION_STATES
from subscribers.registry.readers import check_wording
from subscribers.transfer.csv_export import FORMATS, count, exported, write_rows
from subscribers.transfer.csv_import import ImportReport, import_csv
from subscribers.transfer.refused import RefusedFile

_NUMBERS = ("read", "added", "unchanged", "left", "suppressed", "pending", "gone", "closed", "refused")


@subscribers.command("import", help=_(
    "Import readers who agreed, from a CSV file by whatever names its columns have (Mailchimp, Substack, listmonk, Ghost, Buttondown, or "
    "email,name). The same file again changes nothing; who left stays away; who left or bounced elsewhere is kept away here.") + "\n\n" + examples(
    "publisher subscribers import readers.csv --list daily --consent \"signed at the open day\"",
    "publisher subscribers import readers.csv --list daily --consent \"signed at the open day\" --refused refused.csv",
    "publisher subscribers import readers.csv --list daily --consent \"signed at the open day\" --dry-run"))
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@click.option("--list", "list_name", required=True, metavar="NAME", help=_("The list they join."))
@click.option("--consent", required=True, metavar="TEXT", help=_("How they agreed; it is kept with each of them."))
@click.option("--refused", "refused_path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help=_("Write the refused rows to this file, as they stood, each with the reason."))
@click.option("--dry-run", is_flag=True, help=_("Say what would happen, and change nothing."))
@yes_option
@json_option
@pass_desk
def import_subscribers(desk: Desk, path: Path, list_name: str, consent: str, refused_path: Path | None, dry_run: bool, yes: bool,
                       as_json: bool) -> None:
    """Import, and say of each refused row its line and reason."""
    check_wording(consent)
    if not dry_run:
        desk.confirm(_("Put the people of %(file)s on the list %(list)s, as people who agreed: “%(consent)s”?",
                       file=path, list=list_name, consent=consent), yes=yes)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise BadInput(str(path), _("cannot be read: %(reason)s", reason=error.strerror)) from error
        refused = stack.enter_context(RefusedFile(refused_path, path)) if refused_path else None
        update = stack.enter_context(desk.progress(_("Importing")))
        report = import_csv(desk.database, desk.keys, file, list_name=list_name, wording=consent, now=desk.now(),
                            zone=desk.settings.site.timezone, progress=update, refused=refused, dry_run=dry_run)
    tell(desk, report, as_json=as_json, refused=refused)
    raise click.exceptions.Exit(REFUSED_SOME if report.refused else OK)


def tell(desk: Desk, report: ImportReport, *, as_json: bool, refused: RefusedFile | None = None) -> None:
    """Print what an import brought, and each refused row with its line and reason."""
    if as_json:
        desk.print_json(import_json(report))
    else:
        desk.say(import_line(report))
    desk.report(report.problems)
    if report.refused > len(report.problems):
        desk.warn(_("… and %(n)s more", n=report.refused - len(report.problems)))
    if refused is not None and refused.rows:
        desk.warn(_("The refused rows stand in %(file)s.", file=refused.path))


def import_line(report: ImportReport) -> str:
    """What an import brought, or would bring, in one line."""
    parts = [_("%(n)s added", n=report.added), _("%(n)s readers already", n=report.unchanged)]
    more = ((report.left, _("%(n)s had left and stay away", n=report.left)),
            (report.suppressed, _("%(n)s are never mailed again", n=report.suppressed)),
            (report.pending, _("%(n)s had not confirmed and are left out", n=report.pending)),
            (report.gone, _("%(n)s left elsewhere and are kept away", n=report.gone)),
            (report.closed, _("%(n)s bounced, complained or were blocked elsewhere and are never mailed", n=report.closed)),
            (report.refused, _("%(n)s refused", n=report.refused)))
    line = " · ".join([*parts, *(words for number, words in more if number)])
    if report.foreseen:
        return "✓ " + ngettext("%(n)s row read, nothing changed; an import would say:", "%(n)s rows read, nothing changed; an import would say:",
                               report.read) + " " + line
    return "✓ " + ngettext("%(n)s row read", "%(n)s rows read", report.read) + " — " + line


def import_json(report: ImportReport) -> dict[str, Any]:
    """What an import brought, for machines."""
    problems = [{"where": problem.where, "line": problem.line, "reason": problem.reason} for problem in report.problems]
    return {name: getattr(report, name) for name in _NUMBERS} | {"dry_run": report.foreseen, "problems": problems}


@subscribers.command("export", help=_(
    "Export the readers of a list: addresses, names, states, dates, preferences and how they agreed. Imported elsewhere, the file gives the same "
    "readers. Without FILE it goes to standard output.") + "\n\n" + examples(
    "publisher subscribers export readers.csv --list daily", "publisher subscribers export --list daily --state subscribed --format jsonl",
    "publisher subscribers export readers.csv --list daily --excel"))
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", required=False)
@click.option("--list", "list_name", required=True, metavar="NAME", help=_("Only this list."))
@click.option("--state", "states", type=click.Choice(SUBSCRIPTION_STATES), multiple=True, help=_("Only readers in this state; may be repeated."))
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True, help=_("CSV, or JSON with one reader a line."))
@click.option("--excel", is_flag=True, help=_("CSV with the mark by which spreadsheets know UTF-8."))
@pass_desk
def export_subscribers(desk: Desk, path: Path | None, list_name: str, states: tuple[str, ...], form: str, excel: bool) -> None:
    """Write the readers, a few thousand at a time; a file is there whole or not at all, and for its owner's eyes only."""
    if excel and form != "csv":
        raise PublisherError(_("spreadsheets read CSV only"), remedy=_("leave out --excel or --format"))
    encoding = "utf-8-sig" if excel else "utf-8"
    path = None if path == Path("-") else path
    done = 0
    with ExitStack() as stack:
        session = stack.enter_context(desk.database.reading())
        total = count(session, list_name, states)
        update = stack.enter_context(desk.progress(_("Exporting"), total))
        out: TextIO = stack.enter_context(_private_file(path, encoding) if path else _standard_output(encoding))
        for done in write_rows(exported(session, list_name, states), out, form):
            update(done, total)
    if path:
        desk.say("✓ " + ngettext("%(n)s reader written to %(file)s", "%(n)s readers written to %(file)s", done, file=path))


@contextmanager
def _private_file(path: Path, encoding: str) -> Iterator[TextIO]:
    """A file that appears under its name when it is whole; it holds addresses, so that nobody else may read it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding=encoding, newline="") as out:
            yield out
        draft.replace(path)
    except OSError as error:
        # The person named the file, not the draft of it.
        error.filename = str(path)
        raise
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _standard_output(encoding: str) -> Iterator[TextIO]:
    """Standard output as bytes of ours: the terminal's own encoding would lose names."""
    out = io.TextIOWrapper(sys.stdout.buffer, encoding, newline="")
    try:
        yield out
        out.flush()
    finally:
        out.detach()

"""`publisher import`: a newsroom moves in from another tool, with its past issues and its readers."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from publisher.cli.frame import OK, REFUSED_SOME, Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.subscribers_files import import_json, import_line
from publisher.errors import PublisherError
from publisher.i18n import _, ngettext
from publisher.moving.filing import MoveReport, move_issues
from publisher.moving.found import Found
from publisher.moving.opening import Export
from publisher.moving.readers import move_readers
from publisher.moving.tools import TOOLS
from publisher.settings import Newsletter, Settings
from subscribers.transfer.csv_import import ImportReport


@click.command("import", help=_(
    "Move a newsroom in from another tool: past issues with their dates, pages and old addresses, readers with their states and the day they "
    "signed up. Nobody is mailed, nobody has to confirm again, and nothing that was told is told again. The same export again changes "
    "nothing.") + "\n\n" + examples(
    "publisher import ghost ghost-export/ --dry-run", "publisher import ghost ghost-export/ --newsletter morning",
    "publisher import substack export.zip --newsletter morning --list daily"))
@click.argument("tool", type=click.Choice(tuple(TOOLS)))
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="EXPORT")
@click.option("--newsletter", "newsletter_name", metavar="NAME", help=_("Whose past issues they are; may be left out where there is only one."))
@click.option("--list", "list_name", metavar="NAME", help=_("The list the readers join (default: that of the newsletter)."))
@click.option("--after", is_flag=True, help=_("Number the past issues after those that are here already."))
@click.option("--dry-run", is_flag=True, help=_("Say what would happen, and change nothing."))
@yes_option
@json_option
@pass_desk
def import_newsroom(desk: Desk, tool: str, path: Path, newsletter_name: str | None, list_name: str | None, after: bool, dry_run: bool, yes: bool,
                    as_json: bool) -> None:
    """Read the export, ask, bring everything in."""
    newsletter = _newsletter(desk.settings, newsletter_name, list_name)
    wanted = list_name or newsletter.list
    called, site = TOOLS[tool].called, desk.settings.site
    with Export(path) as export:
        found = TOOLS[tool].read(export, site.timezone, site.url)
        # What cannot be done is said before the question.
        foreseen = _issues(desk, newsletter, tool, found, after=after, dry_run=True)
        if not dry_run:
            desk.confirm(_question(called, found, foreseen, newsletter, wanted), yes=yes)
        with desk.progress(_("Importing")) as update:
            readers = move_readers(desk.database, desk.keys, desk.settings, export, found, called, wanted, desk.now(), dry_run=dry_run,
                                   progress=update)
    issues = foreseen if dry_run else _issues(desk, newsletter, tool, found, after=after, dry_run=False)
    problems = [*found.problems, *issues.problems, *readers.problems]
    if as_json:
        desk.print_json({"issues": _issue_numbers(issues), "readers": import_json(readers), "dry_run": dry_run,
                         "problems": [asdict(problem) for problem in problems]})
    else:
        _tell(desk, issues, readers, found, dry_run=dry_run)
    desk.report(problems)
    raise click.exceptions.Exit(REFUSED_SOME if problems or readers.refused else OK)


def _issues(desk: Desk, newsletter: Newsletter, tool: str, found: Found, *, after: bool, dry_run: bool) -> MoveReport:
    with desk.progress(_("Making pages"), len(found.past)) as update:
        return move_issues(desk.database, desk.settings, newsletter, tool, found.past, desk.now(), after=after, dry_run=dry_run,
                           progress=None if dry_run else update)


def _newsletter(settings: Settings, name: str | None, list_name: str | None) -> Newsletter:
    """The newsletter that is meant. Raises PublisherError when that is not clear."""
    if list_name is not None and settings.reader_list(list_name) is None:
        raise PublisherError(_("there is no list %(name)s", name=list_name), remedy=_known([entry.name for entry in settings.lists]))
    if name is not None:
        found = settings.newsletter(name)
        if found is None:
            raise PublisherError(_("there is no newsletter %(name)s", name=name), remedy=_known([entry.name for entry in settings.newsletters]))
        return found
    possible = settings.newsletters_of(list_name) if list_name else list(settings.newsletters)
    if len(possible) != 1:
        raise PublisherError(_("which newsletter the past issues belong to is not clear"),
                             remedy=_("add --newsletter NAME; known: %(names)s",
                                      names=", ".join(entry.name for entry in settings.newsletters) or "–"))
    return possible[0]


def _known(names: Sequence[str]) -> str:
    return _("known: %(names)s", names=", ".join(names) or "–")


def _question(called: str, found: Found, issues: MoveReport, newsletter: Newsletter, list_name: str) -> str:
    parts = []
    if issues.added:
        parts.append(ngettext("%(n)s past issue becomes a public page of %(newsletter)s.", "%(n)s past issues become public pages of %(newsletter)s.",
                              issues.added, newsletter=newsletter.name))
    if found.readers:
        parts.append(_("The readers who agreed at %(tool)s join the list %(list)s without being asked again.", tool=called, list=list_name))
    return " ".join([*(parts or [_("Nothing new is in this export.")]), _("Go on?")])


def _tell(desk: Desk, issues: MoveReport, readers: ImportReport, found: Found, *, dry_run: bool) -> None:
    line = ngettext("%(n)s past issue", "%(n)s past issues", issues.added)
    if issues.first is not None:
        line = (_("%(issues)s (No. %(first)s to %(last)s)", issues=line, first=issues.first, last=issues.last) if issues.added > 1
                else _("%(issues)s (No. %(number)s)", issues=line, number=issues.first))
    parts = [line, ngettext("%(n)s was here already", "%(n)s were here already", issues.unchanged)]
    if not dry_run:
        parts.append(ngettext("%(n)s old address leads to them", "%(n)s old addresses lead to them", issues.addresses))
    if found.past or not found.readers:
        desk.say("✓ " + (_("nothing was changed; an import would bring:") + " " if dry_run else "") + " · ".join(parts))
    if found.readers:
        desk.say(import_line(readers))


def _issue_numbers(issues: MoveReport) -> dict[str, int | None]:
    return {name: getattr(issues, name) for name in ("added", "unchanged", "addresses", "first", "last")}

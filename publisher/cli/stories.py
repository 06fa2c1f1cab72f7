"""`publisher stories`: read sources, look at stories, approve and reject them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from publisher.cli.frame import OK, REFUSED_SOME, Desk, examples, json_option, pass_desk
from publisher.curate.desk import Judged, judge, pin
from publisher.errors import PublisherError
from publisher.i18n import N_, _, ngettext
from publisher.ingest.reading import IngestReport, read_paths, read_sources
from publisher.models import STORY_STATES, Story
from publisher.search import bring_up_to_date, rebuild

for _state in (N_("inbox"), N_("approved"), N_("rejected"), N_("archive")):
    assert _state in STORY_STATES


@click.group(help=_("Read stories and decide about them."))
def stories() -> None:
    """The noun."""


@stories.command(help=_("Read the sources of publisher.toml, or the files and folders named here.") + "\n\n" + examples(
    "publisher stories ingest", "publisher stories ingest reports/today.md", "publisher stories ingest --source wire"))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--source", "names", multiple=True, help=_("Read this source only."))
@click.option("--inbox", is_flag=True, help=_("Let the stories of PATH wait for an editor instead of approving them."))
@json_option
@pass_desk
def ingest(desk: Desk, paths: tuple[Path, ...], names: tuple[str, ...], inbox: bool, as_json: bool) -> None:
    """Read, file, and say what came in and what was refused."""
    with desk.progress(_("Reading")) as update:
        def progress(_name: str, done: int, total: int) -> None:
            update(done, total)

        if paths:
            report = read_paths(desk.database, desk.settings, paths, desk.now(), inbox=inbox, progress=progress)
        else:
            report = read_sources(desk.database, desk.settings, desk.now(), names=names or None, progress=progress)
    if as_json:
        desk.print_json(report_json(report))
    else:
        desk.say(report_line(report))
        desk.report(report.problems)
    raise click.exceptions.Exit(REFUSED_SOME if report.problems else OK)


def report_line(report: IngestReport) -> str:
    """What a reading brought, in one line."""
    parts = [_("%(n)s new", n=report.new), _("%(n)s changed", n=report.updated), _("%(n)s unchanged", n=report.unchanged)]
    if report.archived:
        parts.append(_("%(n)s of them old, kept in the archive", n=report.archived))
    if report.noted:
        parts.append(_("%(n)s changed after they were told, noted", n=report.noted))
    if report.withdrawn:
        parts.append(_("%(n)s no longer in their file", n=report.withdrawn))
    if report.problems:
        parts.append(_("%(n)s refused", n=len(report.problems)))
    return "✓ " + _("Stories read: %(n)s", n=report.read) + " — " + " · ".join(parts)


def report_json(report: IngestReport) -> dict[str, Any]:
    """What a reading brought, for machines."""
    numbers = {name: getattr(report, name) for name in ("read", "new", "updated", "unchanged", "archived", "noted", "withdrawn")}
    problems = [{"where": problem.where, "line": problem.line, "reason": problem.reason, "remedy": problem.remedy} for problem in report.problems]
    return numbers | {"problems": problems}


@stories.command("list", help=_("List stories, the newest first.") + "\n\n" + examples(
    "publisher stories list --status inbox", "publisher stories list --json"))
@click.option("--status", type=click.Choice(STORY_STATES), help=_("Only stories in this state."))
@click.option("--section", help=_("Only stories of this section."))
@click.option("--limit", type=click.IntRange(min=1), help=_("At most so many."))
@json_option
@pass_desk
def list_stories(desk: Desk, status: str | None, section: str | None, limit: int | None, as_json: bool) -> None:
    """Print the stories."""
    query = select(Story).order_by(Story.created_at.desc(), Story.container, Story.position, Story.id).limit(limit)
    if status:
        query = query.where(Story.status == status)
    if section:
        query = query.where(Story.section == section)
    with desk.database.reading() as session:
        found = list(session.scalars(query))
    if as_json:
        desk.print_json([story_json(story) for story in found])
        return
    desk.table((_("id"), _("state"), _("date"), _("headline"), _("section"), _("source")),
               [(story.id, _(story.status), (story.date or "")[:10], story.headline, story.section, story.source_name) for story in found],
               _("No stories yet. Put a file into a folder of publisher.toml and run: publisher stories ingest"))


def story_json(story: Story) -> dict[str, Any]:
    """A story for machines; `date` is ISO or null."""
    fields = ("id", "headline", "summary", "facts", "section", "tags", "source_name", "source_url", "date", "language", "origin", "status", "body",
              "reading_minutes", "author", "rights", "pinned", "image_url", "image_alt", "approved_at", "withdrawn_at")
    return {name: getattr(story, name) for name in fields}


@stories.command(help=_("Show one story whole."))
@click.argument("story_id", type=int, metavar="ID")
@json_option
@pass_desk
def show(desk: Desk, story_id: int, as_json: bool) -> None:
    """Print one story."""
    with desk.database.reading() as session:
        story = session.get(Story, story_id)
    if story is None:
        raise PublisherError(_("there is no story %(id)s", id=story_id), remedy=_("look with: publisher stories list"))
    if as_json:
        desk.print_json(story_json(story))
        return
    desk.say(f"{story.headline}\n\n{story.summary}\n")
    desk.table((_("fact"), _("value")), [(fact["label"], fact["value"]) for fact in story.facts], _("No key facts."))
    desk.say(f"\n{story.body}\n\n{story.source_name or ''} {story.source_url or ''}\n{story.origin} · {_(story.status)}")


def _verdict(verdict: str, done: Callable[[int], str]) -> Callable[[Desk, Sequence[int]], None]:
    def act(desk: Desk, ids: Sequence[int]) -> None:
        outcome: Judged = judge(desk.database, ids, verdict, "cli", desk.now())
        desk.say("✓ " + done(len(outcome.changed)))
        for unknown in outcome.unknown:
            desk.warn("! " + _("there is no story %(id)s", id=unknown))
        raise click.exceptions.Exit(REFUSED_SOME if outcome.unknown else OK)

    return act


@stories.command(help=_("Approve stories: they may be picked from now on.") + "\n\n" + examples("publisher stories approve 12 13"))
@click.argument("ids", nargs=-1, type=int, required=True, metavar="ID...")
@pass_desk
def approve(desk: Desk, ids: tuple[int, ...]) -> None:
    """An editor says yes."""
    _verdict("approved", lambda n: _("Approved: %(n)s", n=n))(desk, ids)


@stories.command(help=_("Reject stories: they are never picked.") + "\n\n" + examples("publisher stories reject 14"))
@click.argument("ids", nargs=-1, type=int, required=True, metavar="ID...")
@pass_desk
def reject(desk: Desk, ids: tuple[int, ...]) -> None:
    """An editor says no."""
    _verdict("rejected", lambda n: _("Rejected: %(n)s", n=n))(desk, ids)


@stories.command("pin", help=_("Put a story before the others; level 0 takes the pin away.") + "\n\n" + examples("publisher stories pin 12"))
@click.argument("story_id", type=int, metavar="ID")
@click.option("--level", type=click.IntRange(0, 100), default=1, show_default=True, help=_("The higher, the earlier."))
@pass_desk
def pin_story(desk: Desk, story_id: int, level: int) -> None:
    """Pin or unpin."""
    pin(desk.database, story_id, level, desk.now())
    desk.say("✓ " + (_("Pinned.") if level else _("No longer pinned.")))


@stories.command(help=_("Make what was told findable on the search page; the service does this by itself.") + "\n\n" + examples(
    "publisher stories index", "publisher stories index --anew"))
@click.option("--anew", is_flag=True, help=_("Forget the index first and make it whole again."))
@pass_desk
def index(desk: Desk, anew: bool) -> None:
    """Bring the search index up to date."""
    count = rebuild(desk.database) if anew else bring_up_to_date(desk.database)
    desk.say("✓ " + ngettext("%(n)s issue indexed", "%(n)s issues indexed", count))

"""`publisher demo`: the main job on the samples that come with the program, with a relay that keeps each mail as a file."""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click
from sqlalchemy import func, select

from publisher.cli.frame import FAILED, OK, Desk, examples, pass_desk
from publisher.cli.sending import approve_and_send
from publisher.cli.stories import report_line
from publisher.clock import local_date
from publisher.compose.footer import SLOTS
from publisher.compose.preview import preview_issue
from publisher.curate.choose import Choice
from publisher.curate.picking import unfinished_issue
from publisher.i18n import _
from publisher.ingest.reading import IngestReport, read_sources
from publisher.jobs import Sent, make_issue
from publisher.models import Issue, NewsletterRow, Post
from publisher.practice import PracticeRelay
from publisher.reasons import sentence
from publisher.shipped import shipped
from subscribers.transfer.csv_import import import_csv

# The last day of the week that the samples are dated in (samples/README.md).
_LAST_SAMPLE_DAY = date(2026, 3, 6)
_ZONE = "Asia/Tokyo"
_SAMPLE_DAY = re.compile(r"(2026)(年|-|/)(0?3)(月|-|/)(\d{1,2})(日?)")
_READERS = "email,name\nhanako@example.jp,山田 花子\ntaro@example.jp,鈴木 太郎\nalice@example.com,Alice Smith\n"


@click.command(help=_("Show the main job on sample stories: read, pick, compose, mail, post. Reaches nobody.") + "\n\n" + examples(
    "publisher demo", "publisher demo --folder /tmp/demo --fresh"))
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True, help=_("Where the demo lives."))
@click.option("--fresh", is_flag=True, help=_("Begin again from an empty database."))
@pass_desk
def demo(desk: Desk, folder: Path, fresh: bool) -> None:
    """Set up the folder once, then do what `publisher send` does and sum it up."""
    if fresh and (folder / "publisher.toml").exists():
        shutil.rmtree(folder)
    with PracticeRelay(folder / "outbox" / "mail") as relay:
        _set_up(folder, relay.port, local_date(desk.now(), _ZONE))
        desk.config = folder / "publisher.toml"
        _readers(desk, folder)
        desk.say(_("1/4 Reading the stories of %(folder)s", folder=folder / "stories"))
        report = _read(desk)
        desk.say("    " + report_line(report))
        desk.report(report.problems)
        desk.say(_("2/4 Picking and composing"))
        issue_id, choice = _make(desk)
        if issue_id is None:
            _nothing_new(desk, folder, choice)
        desk.say(_("3/4 Sending to the readers, through a real SMTP server that keeps each mail as a file"))
        sent = approve_and_send(desk, issue_id, yes=True, as_json=False)
        desk.say(_("4/4 Summing up"))
        _sum_up(desk, folder, issue_id, report, choice, sent)
    raise click.exceptions.Exit(OK if not sent.mails.unfinished else FAILED)


def _set_up(folder: Path, port: int, today: date) -> None:
    """Write what is not there yet; only the relay's port changes from run to run, because a fixed one may be taken."""
    stories = folder / "stories"
    stories.mkdir(parents=True, exist_ok=True)
    shift = today - timedelta(days=1) - _LAST_SAMPLE_DAY
    for sample in sorted(shipped("samples").joinpath("stories").rglob("*")):
        target = stories / sample.name
        if sample.is_file() and not target.exists():
            target.write_text(_shifted(sample.read_text("utf-8"), shift), "utf-8")
    template = shipped("samples").joinpath("demo.toml").read_text("utf-8")
    (folder / "publisher.toml").write_text(template.replace("@PORT@", str(port)), "utf-8")
    (folder / "readers.csv").write_text(_READERS, "utf-8")


def _shifted(text: str, by: timedelta) -> str:
    """`text` with the samples' days moved, so that yesterday's news are yesterday's."""
    def move(found: re.Match[str]) -> str:
        year, first, month, second, day, last = found.groups()
        moved = date(int(year), int(month), int(day)) + by
        if first == "年":
            return f"{moved.year}年{moved.month}月{moved.day}{last}"
        return f"{moved.year}{first}{moved.month:02d}{second}{moved.day:02d}{last}"

    return _SAMPLE_DAY.sub(move, text)


def _readers(desk: Desk, folder: Path) -> None:
    with (folder / "readers.csv").open("rb") as file:
        import_csv(desk.database, desk.keys, file, list_name="daily", wording=_("sample readers of the demo"), now=desk.now())


def _read(desk: Desk) -> IngestReport:
    with desk.progress(_("Reading")) as update:
        return read_sources(desk.database, desk.settings, desk.now(), progress=lambda _name, done, total: update(done, total))


def _make(desk: Desk) -> tuple[int | None, Choice | None]:
    """The next issue, or the one that an interrupted demo left unfinished."""
    newsletter = desk.settings.newsletters[0]
    with desk.database.reading() as session:
        row = session.scalars(select(NewsletterRow).where(NewsletterRow.name == newsletter.name)).one()
        begun = unfinished_issue(session, row.id)
    if begun is not None:
        return begun.id, None
    made = make_issue(desk.publisher.press(), newsletter, desk.now())
    return made.issue_id, made.choice


def _nothing_new(desk: Desk, folder: Path, choice: Choice | None) -> NoReturn:
    with desk.database.reading() as session:
        last = session.scalars(select(Issue).where(Issue.state == "sent").order_by(Issue.id.desc())).first()
    told = sum(passed.reason["code"] == "told" for passed in choice.passed) if choice else 0
    desk.say("✓ " + _("Nothing was told twice: %(told)s stories were told in issue %(number)s already, and %(found)s are new. "
                      "No mail left, no post was made.", told=told, number=last.number if last else "–", found=choice.found if choice else 0))
    desk.say(_("Add a file to %(folder)s and run it again, or begin anew with: publisher demo --fresh", folder=folder / "stories"))
    raise click.exceptions.Exit(OK)


def _passed_lines(choice: Choice | None, today: date) -> list[str]:
    return [f"{passed.story.headline} — {sentence(passed.reason, today)}"
            for passed in (choice.passed if choice else ()) if passed.reason["code"] != "told"]


def _sum_up(desk: Desk, folder: Path, issue_id: int, report: IngestReport, choice: Choice | None, sent: Sent) -> None:
    html = folder / "outbox" / f"issue-{issue_id}.html"
    html.write_text(preview_issue(desk.database, desk.settings, issue_id, "html", dict.fromkeys(SLOTS, f"{desk.settings.site.url}/")), "utf-8")
    passed = _passed_lines(choice, local_date(desk.now(), desk.settings.site.timezone))
    desk.say("")
    desk.table(("", ""), [
        (_("stories read"), report.read),
        (_("picked"), len(choice.picks) if choice else "–"),
        (_("passed over"), "\n".join([str(len(passed)), *passed])),
        (_("mails accepted"), _("%(n)s of %(total)s readers", n=sent.mails.accepted, total=sent.mails.total)),
        (_("posts made"), _posts(desk, issue_id)),
        (_("each mail"), folder / "outbox" / "mail" / "*.eml"),
        (_("each post"), folder / "outbox" / "*" / "*.txt"),
        (_("the issue, for a browser"), html),
        (_("the pages it links to"), _("%(url)s while this runs: publisher --config %(config)s run", url=desk.settings.site.url, config=desk.config)),
    ], "")
    desk.say("")
    desk.say("✓ " + _("Run it again: nobody is told anything twice."))


def _posts(desk: Desk, issue_id: int) -> Any:
    with desk.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Post).where(Post.issue_id == issue_id, Post.state == "accepted"))

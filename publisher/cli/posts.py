"""`publisher posts`: look at short posts, send what is due, and decide about what is unknown."""

from typing import Any

import click
from sqlalchemy import select

from publisher.cli.frame import LEFT_OVER, OK, Desk, examples, json_option, pass_desk, yes_option
from publisher.cli.sending import account_or_error, issue_or_error, warn_of_closed
from publisher.deliver.posting import post_due, retry_post
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import OUTCOMES, AccountRow, Post


@click.group(help=_("Look at short posts and send them."))
def posts() -> None:
    """The noun."""


def _found(desk: Desk, *, issue_id: int | None = None, account: str | None = None, state: str | None = None) -> list[tuple[Post, str]]:
    query = select(Post, AccountRow.name).join(AccountRow, AccountRow.id == Post.account_id).order_by(Post.id)
    if issue_id is not None:
        query = query.where(Post.issue_id == issue_id)
    if account:
        query = query.where(AccountRow.name == account)
    if state:
        query = query.where(Post.state == state)
    with desk.database.reading() as session:
        return [(post, name) for post, name in session.execute(query)]


def _json(post: Post, account: str) -> dict[str, Any]:
    fields = ("id", "about", "story_id", "issue_id", "text", "link", "language", "state", "attempts", "external_id", "permalink", "reason",
              "not_before", "settled_at")
    return {name: getattr(post, name) for name in fields} | {"account": account}


@posts.command("list", help=_("List posts.") + "\n\n" + examples("publisher posts list --account x-main", "publisher posts list --json"))
@click.option("--account", metavar="NAME", help=_("What one social account told."))
@click.option("--state", type=click.Choice(OUTCOMES), help=_("Only posts in this state."))
@json_option
@pass_desk
def list_posts(desk: Desk, account: str | None, state: str | None, as_json: bool) -> None:
    """Print the posts."""
    if account:
        account_or_error(desk, account)
    found = _found(desk, account=account, state=state)
    if as_json:
        desk.print_json([_json(post, name) for post, name in found])
        return
    desk.table(("id", _("account"), _("state"), _("text"), _("where, or why not")),
               [(post.id, name, _(post.state), post.text.splitlines()[0] if post.text else "", post.permalink or post.reason)
                for post, name in found],
               _("No posts yet. They are made with an issue: publisher send NEWSLETTER"))


@posts.command(help=_("Show the posts of an issue whole.") + "\n\n" + examples("publisher posts preview --issue 3"))
@click.option("--issue", "issue_id", type=int, metavar="ID", required=True, help=_("The issue."))
@json_option
@pass_desk
def preview(desk: Desk, issue_id: int, as_json: bool) -> None:
    """Print what would be posted."""
    print_posts(desk, issue_id=issue_id, as_json=as_json)


def print_posts(desk: Desk, *, issue_id: int, as_json: bool) -> None:
    """Each post of an issue, whole. Raises PublisherError when there is no such issue."""
    issue_or_error(desk, issue_id)
    found = _found(desk, issue_id=issue_id)
    if as_json:
        desk.print_json([_json(post, name) for post, name in found])
        return
    if not found:
        desk.say(_("This issue has no posts."))
    for post, name in found:
        desk.say(f"── {name} · {_(post.state)}\n{post.text}\n")


@posts.command(help=_("Send the posts that are due.") + "\n\n" + examples("publisher posts send", "publisher posts send --issue 3 --yes"))
@click.option("--issue", "issue_id", type=int, metavar="ID", help=_("Only posts of this issue."))
@yes_option
@json_option
@pass_desk
def send(desk: Desk, issue_id: int | None, yes: bool, as_json: bool) -> None:
    """Post what is due."""
    press = desk.publisher.press()
    warn_of_closed(desk, press)
    waiting = [post for post, _name in _found(desk, issue_id=issue_id) if post.state in ("queued", "deferred", "unknown")]
    desk.confirm(_("Send %(n)s posts?", n=len(waiting)), yes=yes or not waiting)
    done = post_due(desk.database, desk.settings, press.channels, desk.now, issue_id=issue_id)
    if as_json:
        desk.print_json({key: getattr(done, key) for key in ("accepted", "refused", "deferred", "unknown", "skipped")})
    else:
        desk.say("✓ " + _("Posts: %(accepted)s made, %(refused)s refused, %(skipped)s skipped, %(waiting)s waiting", accepted=done.accepted,
                          refused=done.refused, skipped=done.skipped, waiting=done.deferred + done.unknown))
    raise click.exceptions.Exit(LEFT_OVER if done.deferred + done.unknown else OK)


@posts.command(help=_("Try a post again that was refused or whose outcome is unknown: look at the account first.") + "\n\n" + examples(
    "publisher posts retry 7"))
@click.argument("post_id", type=int, metavar="ID")
@yes_option
@pass_desk
def retry(desk: Desk, post_id: int, yes: bool) -> None:
    """A person's word that it is not there."""
    with desk.database.reading() as session:
        post = session.get(Post, post_id)
    if post is None:
        raise PublisherError(_("there is no post %(id)s", id=post_id), remedy=_("look with: publisher posts list"))
    desk.say(post.text)
    desk.confirm(_("Post this again?"), yes=yes)
    press = desk.publisher.press()
    warn_of_closed(desk, press)
    retry_post(desk.database, post_id, desk.now())
    done = post_due(desk.database, desk.settings, press.channels, desk.now, post_ids=[post_id])
    desk.say("✓ " + _("Posts: %(accepted)s made, %(refused)s refused, %(skipped)s skipped, %(waiting)s waiting", accepted=done.accepted,
                      refused=done.refused, skipped=done.skipped, waiting=done.deferred + done.unknown))

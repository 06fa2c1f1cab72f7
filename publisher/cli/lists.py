"""`publisher lists`: the lists that readers join, where they join them, and the form for the newsroom's own site."""

from typing import Any

import click
from sqlalchemy import func, select

from publisher.cli.frame import Desk, examples, json_option, pass_desk
from publisher.compose.lists import list_addresses, list_title
from publisher.errors import PublisherError
from publisher.i18n import LANGUAGES, N_, _
from publisher.links import subscribe_url
from publisher.settings import ReaderList
from subscribers.models import SUBSCRIPTION_STATES, ReaderListRow, Subscription
from subscribers.registry.lists import list_id

_OPT_IN = {"double": N_("asked by mail first"), "single": N_("at once")}


@click.group(invoke_without_command=True, help=_("Look at lists, and get the sign-up form for your own site.") + "\n\n" + examples(
    "publisher lists", "publisher lists embed daily"))
@click.pass_context
def lists(ctx: click.Context) -> None:
    """The noun; alone it lists."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_lists, as_json=False)


@lists.command("list", help=_("Show each list: its readers, and where readers join it.") + "\n\n" + examples(
    "publisher lists list", "publisher lists list --json"))
@json_option
@pass_desk
def list_lists(desk: Desk, as_json: bool) -> None:
    """Print the lists of publisher.toml in their order."""
    counts = _counts(desk)
    found = [_entry(desk, entry, counts.get(entry.name, {})) for entry in desk.settings.lists]
    if as_json:
        desk.print_json(found)
        return
    states = ("subscribed", "unconfirmed", "left")
    desk.table((_("list"), _("title"), _("they join"), _("subscribed"), _("unconfirmed"), _("left"), _("page")),
               [(entry["name"], entry["title"], _joining(entry["opt_in"]), *(entry["readers"][state] for state in states),
                 entry["page"] or _("not offered")) for entry in found],
               _("There is no list yet: add [[lists]] to publisher.toml."))
    for entry in found:
        if entry["addresses"]:
            desk.say(f"{entry['name']}: " + " · ".join(entry["addresses"].values()))


def _joining(opt_in: str) -> str:
    return _(_OPT_IN[opt_in])


def _counts(desk: Desk) -> dict[str, dict[str, int]]:
    query = (select(ReaderListRow.name, Subscription.state, func.count()).join(Subscription, Subscription.list_id == ReaderListRow.id)
             .group_by(ReaderListRow.name, Subscription.state))
    found: dict[str, dict[str, int]] = {}
    with desk.database.reading() as session:
        for name, state, count in session.execute(query):
            found.setdefault(name, {})[state] = count
    return found


def _entry(desk: Desk, entry: ReaderList, counts: dict[str, int]) -> dict[str, Any]:
    return {"name": entry.name, "title": list_title(desk.settings, entry.name), "opt_in": entry.opt_in, "public": entry.public,
            "readers": {state: counts.get(state, 0) for state in SUBSCRIPTION_STATES},
            "page": subscribe_url(desk.settings.site.url, entry.name) if entry.public else None,
            "addresses": list_addresses(desk.settings, entry.name)}


@lists.command("embed", help=_("Print the sign-up form as HTML to paste into your own site.") + "\n\n" + examples(
    "publisher lists embed daily", "publisher lists embed daily --language en", "publisher lists embed daily --iframe"))
@click.argument("name")
@click.option("--iframe", is_flag=True, help=_("A frame that shows our page, instead of a form in the looks of your site."))
@click.option("--language", type=click.Choice(LANGUAGES), help=_("Language of the form (default: the list's)."))
@pass_desk
def embed(desk: Desk, name: str, iframe: bool, language: str | None) -> None:
    """Print the snippet; what else has to be done goes to standard error."""
    # The pages cost start-up time that only this command should pay.
    from publisher.web.embed import form_snippet, frame_snippet
    from publisher.web.lists import list_language, offered

    with desk.database.reading() as session:
        list_id(session, name)
        entry = next((one for one in offered(session, desk.settings) if one.name == name), None)
    if entry is None:
        raise PublisherError(_("the list %(name)s is not public: nobody can join it on a page", name=name), remedy=_("set public = true for it"))
    made = (frame_snippet if iframe else form_snippet)(desk.settings, entry, list_language(desk.settings, name, language))
    if iframe and not desk.settings.web.embed_origins:
        desk.warn("! " + _("web.embed_origins is empty, and browsers show this frame on no other site: add yours, such as \"https://www.example.jp\""))
    click.echo(made)

"""Ghost's exports: the content as JSON (Settings, Import/Export: `db[0].data.posts`) and the members as CSV.

Of a post `html` is read (`mobiledoc` and `lexical` are what Ghost's editor keeps), `__GHOST_URL__` stands in it for the site's own address. Older
files have no `db` around `data` (Ghost's own documentation, "Import format").
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from publisher.errors import BadInput, Problem
from publisher.i18n import _
from publisher.moving.content import from_html, from_plain
from publisher.moving.found import Found, Past, ReaderFile
from publisher.moving.opening import Export
from publisher.text.clean import clean_line
from subscribers.transfer.moments import moment

_ADDRESS = "__GHOST_URL__"
# `sent` went out by mail only.
_OUT = ("published", "sent")


def read(export: Export, zone: str, site: str) -> Found:
    """What the export holds. Raises BadInput when it is none of Ghost's."""
    found = Found(readers=[ReaderFile(name) for name in export.names if {"email", "subscribed_to_emails"} <= export.columns(name)])
    lists = [name for name in export.names if name.lower().endswith(".json") and PurePosixPath(name).name.lower() != "redirects.json"]
    for name in lists:
        posts = _posts(export.json(name))
        if posts is None:
            found.problems.append(Problem(export.where(name), _("there are no posts of Ghost in it")))
            continue
        for post in posts:
            try:
                past = _past(post, zone, site)
            except BadInput as error:
                found.problems.append(Problem(export.where(name), error.problem.reason))
                continue
            if past is not None:
                found.past.append(past)
    if not lists and not found.readers:
        raise BadInput(str(export.path), _("there is no JSON of posts and no CSV of members in it"),
                       remedy=_("give the folder that holds Ghost's two exports"))
    return found


def _posts(read: Any) -> list[Mapping[str, Any]] | None:
    """The posts of the file, whatever stands around them."""
    inner = read.get("db") if isinstance(read, dict) else None
    outer = inner[0] if isinstance(inner, list) and inner else read
    data = outer.get("data") if isinstance(outer, dict) else None
    posts = data.get("posts") if isinstance(data, dict) else None
    return [post for post in posts if isinstance(post, dict)] if isinstance(posts, list) else None


def _when(value: object, zone: str) -> datetime | None:
    """A date of the file; before version 1 Ghost wrote milliseconds since 1970."""
    if isinstance(value, int) and 0 < value < 10**14:
        return datetime.fromtimestamp(value / 1000, UTC)
    return moment(value, zone) if isinstance(value, str) else None


def _past(post: Mapping[str, Any], zone: str, site: str) -> Past | None:
    """One post as an issue; None for pages and drafts. Raises BadInput."""
    def text(name: str) -> str:
        value = post.get(name)
        return value if isinstance(value, str) else ""

    if text("status") not in _OUT or text("type") == "page" or post.get("page") in (1, True):
        return None
    title, slug = clean_line(text("title")), text("slug")
    if text("visibility") not in ("public", ""):
        raise BadInput(slug, _("“%(title)s” is for some readers only; a page here is for everybody", title=title or slug))
    at = _when(post.get("published_at"), zone) or _when(post.get("created_at"), zone)
    if at is None or not title:
        raise BadInput(slug, _("“%(title)s” has no date or no title", title=title or slug))
    body = from_html(text("html").replace(_ADDRESS, site), site) if text("html") else from_plain(text("plaintext"))
    if not body:
        raise BadInput(slug, _("“%(title)s” has no text", title=title))
    # Posts that went out by mail only have a page under their UUID.
    paths = [f"/{slug}"] if slug else []
    if text("uuid"):
        paths.append(f"/email/{text('uuid')}")
    return Past(text("uuid") or text("id") or str(post.get("id", slug)), title, at, body, clean_line(text("custom_excerpt")), tuple(paths))

"""Substack's export: `posts.csv`, `posts/ID.SLUG.html` and `email_list.PUBLICATION.csv`, in a zip (Settings, Exports).

Columns of posts.csv: `post_id,post_date,is_published,email_sent_at,inbox_sent_at,type,audience,title,subtitle,podcast_url`, as the importers of
others read them (TryGhost/migrate, packages/mg-substack). The lists of openings and deliveries beside each post (`ID.opens.csv`, `ID.delivers.csv`)
stay unread.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from publisher.errors import BadInput, Problem
from publisher.i18n import _
from publisher.moving.content import from_html
from publisher.moving.found import Found, Past, ReaderFile
from publisher.moving.opening import Export
from publisher.text.clean import clean_line
from subscribers.transfer.moments import moment
from subscribers.transfer.states import truth

_BODY = re.compile(r"(?P<id>\d+)(?:\.(?P<slug>.+))?\.html", re.IGNORECASE)
# A page ("About") and a thread of comments were never an issue.
_ISSUES = ("newsletter", "podcast", "")


def read(export: Export, zone: str, site: str) -> Found:
    """What the export holds. Raises BadInput when it is none of Substack's."""
    found = Found(readers=[ReaderFile(name) for name in export.names if {"email", "email_disabled"} <= export.columns(name)])
    posts = next((name for name in export.names if PurePosixPath(name).name.lower() == "posts.csv"), None)
    if posts is None and not found.readers:
        raise BadInput(str(export.path), _("there is no posts.csv and no email_list.csv in it"), remedy=_("give the zip that Substack sent you"))
    bodies = {match["id"]: (name, match["slug"] or "") for name in export.names if (match := _BODY.fullmatch(PurePosixPath(name).name))}
    for line, row in enumerate(export.table(posts) if posts else [], 2):
        where = export.where(posts or "")
        try:
            past = _past(export, row, bodies, zone, site)
        except BadInput as error:
            found.problems.append(Problem(where, error.problem.reason, line))
            continue
        if past is not None:
            found.past.append(past)
    return found


def _past(export: Export, row: Mapping[str, str], bodies: Mapping[str, tuple[str, str]], zone: str, site: str) -> Past | None:
    """One post as an issue; None for what never was one. Raises BadInput."""
    given = row.get("post_id", "").strip()
    post_id, _dot, slug = given.partition(".")
    if truth(row.get("is_published", "")) is not True or row.get("type", "").strip().lower() not in _ISSUES:
        return None
    title = clean_line(row.get("title", ""))
    if row.get("audience", "everyone").strip().lower() not in ("everyone", ""):
        raise BadInput(given, _("“%(title)s” is for some readers only; a page here is for everybody", title=title or given))
    at = moment(row.get("email_sent_at", ""), zone) or moment(row.get("post_date", ""), zone)
    if at is None or not title:
        raise BadInput(given, _("“%(title)s” has no date or no title", title=title or given))
    if post_id not in bodies:
        raise BadInput(given, _("“%(title)s” has no file in posts/", title=title))
    name, named = bodies[post_id]
    slug = slug or named
    return Past(post_id, title, at, from_html(export.text(name), site), clean_line(row.get("subtitle", "")), (f"/p/{slug}",) if slug else ())

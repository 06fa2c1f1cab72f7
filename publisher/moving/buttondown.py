"""Buttondown's export: `emails/SLUG.md`, beside it `emails.json` or `emails.csv` about each, `subscribers.csv`, `unsubscribers.csv`.

Shapes as others read them (TryGhost/migrate, packages/mg-buttondown: `id`, `secondary_id`, `subject`, `publish_date`, `source`, `slug`) and as the
API names them (https://docs.buttondown.com: `status`, `email_type`, `body`). A Markdown file may say the same above its text, as front matter.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from publisher.errors import BadInput, Problem
from publisher.i18n import _
from publisher.ingest.post import split_front_matter
from publisher.moving.content import from_markdown
from publisher.moving.found import Found, Past, ReaderFile
from publisher.moving.opening import Export
from publisher.text.clean import clean_line
from subscribers.transfer.moments import moment
from subscribers.transfer.states import Meaning

_BODY = re.compile(r"(?:.*/)?emails/[^/]+\.md", re.IGNORECASE)
_LISTS = ("emails.json", "emails.csv")
_SENT = ("", "sent", "imported", "published")
_PUBLIC = ("", "public", "email")


def read(export: Export, zone: str, site: str) -> Found:
    """What the export holds. Raises BadInput when it is none of Buttondown's."""
    found = Found()
    for name in export.names:
        columns, left = export.columns(name), PurePosixPath(name).name.lower().startswith("unsubscriber")
        if columns & {"email", "email_address"} and columns & {"creation_date", "subscriber_type"}:
            found.readers.append(ReaderFile(name, Meaning("leave") if left else Meaning("join")))
    bodies = {PurePosixPath(name).stem: name for name in export.names if _BODY.fullmatch(name)}
    known = list(_known(export))
    if not bodies and not known and not found.readers:
        raise BadInput(str(export.path), _("there are no emails and no subscribers in it"), remedy=_("give the zip that Buttondown made"))
    listed = {str(entry.get("slug") or "") for _where, entry in known}
    # A file that no list names says everything itself.
    known += [(export.where(name), {"slug": slug, "alone": True}) for slug, name in bodies.items() if slug not in listed]
    for where, entry in known:
        try:
            past = _past(export, entry, bodies, zone, site)
        except BadInput as error:
            found.problems.append(Problem(where, error.problem.reason, error.problem.line))
            continue
        if past is not None:
            found.past.append(past)
    return found


def _known(export: Export) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What the list of emails says of each; of two lists the JSON."""
    name = next((name for wanted in _LISTS for name in export.names if PurePosixPath(name).name.lower() == wanted), None)
    if name is None:
        return
    entries: Any = export.json(name) if name.lower().endswith(".json") else export.table(name)
    if isinstance(entries, dict):
        entries = entries.get("results")
    if not isinstance(entries, list):
        raise BadInput(export.where(name), _("there is no list of emails in it"))
    yield from ((export.where(name), entry) for entry in entries if isinstance(entry, dict))


def _past(export: Export, entry: Mapping[str, Any], bodies: Mapping[str, str], zone: str, site: str) -> Past | None:
    """One mail as an issue; None for a draft. Raises BadInput."""
    slug = str(entry.get("slug") or "").strip()
    said = {key: value for key, value in entry.items() if isinstance(value, str)}
    body = said.get("body", "")
    if slug in bodies:
        front, body = split_front_matter(export.text(bodies[slug]), export.where(bodies[slug]))
        if front is not None:
            said = {name: text for name in ("subject", "title", "publish_date", "date", "slug", "status", "email_type", "type", "id", "description")
                    if (text := front.text(name))} | said
            slug = said.get("slug", slug)
    if said.get("status", "").lower() not in _SENT:
        return None
    title = clean_line(said.get("subject") or said.get("title") or "")
    if said.get("email_type", "").lower() not in _PUBLIC:
        raise BadInput(slug, _("“%(title)s” is for some readers only; a page here is for everybody", title=title or slug))
    at = moment(said.get("publish_date") or said.get("date") or said.get("creation_date") or "", zone)
    if at is None or not title:
        raise BadInput(slug, _("“%(title)s” has no date or no title", title=title or slug))
    text = from_markdown(body, site)
    if not text:
        raise BadInput(slug, _("“%(title)s” has no text", title=title))
    return Past(slug or said.get("id", title), title, at, text, clean_line(said.get("description", "")), (f"/archive/{slug}",) if slug else ())

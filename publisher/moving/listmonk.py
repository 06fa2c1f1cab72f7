"""listmonk: the answer of `GET /api/campaigns?per_page=all` saved as JSON, and `subscribers.csv` as its page of subscribers exports it.

Fields of a campaign as its documentation has them (docs/docs/content/apis/campaigns.md): `uuid`, `type`, `name`, `subject`, `body`, `content_type`,
`status`, `send_at`, `started_at`, `created_at`, and `archive`, `archive_slug` of newer versions. Pages stood at `/archive/UUID`, `/archive/SLUG` and
`/campaign/UUID/SUBSCRIBER`.
"""

from collections.abc import Mapping
from typing import Any

from publisher.errors import BadInput, Problem
from publisher.i18n import _
from publisher.moving.content import from_html, from_markdown, from_plain
from publisher.moving.found import Found, Past, ReaderFile
from publisher.moving.opening import Export
from publisher.text.clean import clean_line
from subscribers.transfer.moments import moment


def read(export: Export, zone: str, site: str) -> Found:
    """What the export holds; of campaigns only those of the public archive, where it was used. Raises BadInput when it is none of listmonk's."""
    found = Found(readers=[ReaderFile(name) for name in export.names if {"email", "uuid", "status"} <= export.columns(name)])
    campaigns: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name in (name for name in export.names if name.lower().endswith(".json")):
        for campaign in _campaigns(export, name):
            campaigns.setdefault(str(campaign.get("uuid") or campaign.get("id")), (export.where(name), campaign))
    if not campaigns and not found.readers:
        raise BadInput(str(export.path), _("there is no campaigns.json and no subscribers.csv in it"),
                       remedy=_("docs/moving.md says how to get both"))
    chosen = any(campaign.get("archive") is True for _where, campaign in campaigns.values())
    for key, (where, campaign) in campaigns.items():
        if chosen and campaign.get("archive") is not True:
            continue
        try:
            past = _past(key, campaign, zone, site)
        except BadInput as error:
            found.problems.append(Problem(where, error.problem.reason))
            continue
        if past is not None:
            found.past.append(past)
    return found


def _campaigns(export: Export, name: str) -> list[Mapping[str, Any]]:
    """The campaigns of one answer: all of a page, or one. Raises BadInput."""
    read = export.json(name)
    data = read.get("data", read) if isinstance(read, dict) else read
    entries = data.get("results", [data]) if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise BadInput(export.where(name), _("there are no campaigns of listmonk in it"))
    return [entry for entry in entries if isinstance(entry, dict) and "body" in entry]


def _past(key: str, campaign: Mapping[str, Any], zone: str, site: str) -> Past | None:
    """One campaign as an issue; None for what was not sent to everybody of its lists. Raises BadInput."""
    def text(name: str) -> str:
        value = campaign.get(name)
        return value if isinstance(value, str) else ""

    if text("status") != "finished" or text("type") not in ("regular", "") or text("messenger") not in ("email", ""):
        return None
    title = clean_line(text("subject") or text("name"))
    at = next((found for name in ("started_at", "send_at", "created_at") if (found := moment(text(name), zone))), None)
    if at is None or not title:
        raise BadInput(key, _("“%(title)s” has no date or no title", title=title or key))
    kind = text("content_type")
    body = from_markdown(text("body"), site) if kind == "markdown" else from_plain(text("body")) if kind == "plain" else from_html(text("body"), site)
    if not body:
        raise BadInput(key, _("“%(title)s” has no text", title=title))
    slug = text("archive_slug")
    return Past(key, title, at, body, "", (f"/archive/{key}", f"/campaign/{key}", *([f"/archive/{slug}"] if slug else [])))

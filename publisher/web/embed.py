"""The sign-up form on the newsroom's own site: a frame that shows it, or a piece of HTML that is pasted there and posts to us."""

import html

from starlette.requests import Request

from publisher.i18n import _, in_language
from publisher.links import subscribe_url
from publisher.settings import Settings
from publisher.web.client import client_of
from publisher.web.forms import Fields, foreign_origin, origin_of
from publisher.web.lists import Offered, list_language
from publisher.web.signup import TRAP, Place
from publisher.web.wording import form_words


def frame_place(request: Request, settings: Settings, name: str, asked: str | None, sent: Fields | None = None) -> Place:
    """The form of a list in a frame, which the sites of `web.embed_origins` may show, and this one.

    A browser tells which of them it is when it opens the frame; the form takes that along, because our own pages tell nothing (Referrer-Policy).
    """
    origins = [origin for url in settings.web.embed_origins if (origin := origin_of(url))]
    site = origin_of(sent.one("from")) if sent else foreign_origin(request, settings.site.url)
    return Place(f"/embed/{name}", "embed", list_language(settings, name, asked), client_of(request, settings),
                 site if site in origins else None, " ".join(["'self'", *origins]))


def frame_snippet(settings: Settings, entry: Offered, language: str) -> str:
    """The `<iframe>` for a site of `web.embed_origins`. The height fits the form on a narrow telephone."""
    with in_language(language):
        title = _("Subscribe to %(title)s", title=entry.title)
    return (f'<iframe src="{html.escape(f"{settings.site.url}/embed/{entry.name}?lang={language}")}" title="{html.escape(title)}" width="100%" '
            'height="420" style="border:0" loading="lazy"></iframe>')


def form_snippet(settings: Settings, entry: Offered, language: str) -> str:
    """The `<form>` for any site: it needs nothing else, and takes the site's own looks."""
    words = form_words(settings, [entry], language)
    with in_language(language):
        trap = _("Leave this field empty")
    here, action = f"publisher-{entry.name}", html.escape(f"{subscribe_url(settings.site.url, entry.name)}?lang={language}")
    links = " · ".join(f'<a href="{html.escape(address)}">{html.escape(name)}</a>' for name, address in words.links)
    lines = [
        # A page in Shift_JIS would send Shift_JIS. And not type="email": browsers refuse full-width letters in it, and write the ASCII form into
        # the field of somebody who types 日本語.jp.
        f'<form action="{action}" method="post" accept-charset="utf-8" novalidate>',
        '  <input type="hidden" name="door" value="embed">',
        f"  <p><strong>{html.escape(words.heading)}</strong>{f'<br>{html.escape(words.lists[0])}' if words.lists[0] else ''}</p>",
        f'  <p><label for="{here}">{html.escape(words.label)}</label><br>',
        f'  <input id="{here}" name="email" inputmode="email" autocomplete="email" autocapitalize="none" spellcheck="false" required></p>',
        '  <p aria-hidden="true" style="position:absolute;left:-9999px">',
        f'  <label for="{here}-{TRAP}">{html.escape(trap)}</label> <input id="{here}-{TRAP}" name="{TRAP}" tabindex="-1" autocomplete="off"></p>',
        f"  <p><small>{html.escape(words.promise)}<br>{html.escape(words.leaving)}</small></p>",
        *([f"  <p><small>{html.escape(words.before)} {links}</small></p>"] if links else []),
        f'  <p><button type="submit">{html.escape(words.button)}</button></p>',
        "</form>"]
    return "\n".join(lines)

"""Makes pages: one family of templates, the newsroom's colours, a style sheet that the content security policy knows by its hash."""

import base64
import hashlib
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.responses import HTMLResponse

from publisher.compose.colours import palette
from publisher.compose.footer import contact_url
from publisher.compose.rendering import render
from publisher.errors import PublisherError
from publisher.i18n import in_language
from publisher.pages import environment
from publisher.settings import Settings
from publisher.text.phrases import phrases
from publisher.web.lists import subscribe_path

_BODY_STYLES = "'unsafe-inline'"


class Pages:
    """The pages of one site. Raises BadInput for a style sheet of the newsroom's own that is no template."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made = environment(settings)
        self._made.filters["phrased"] = phrased
        # Rendered once, so that what stands in the page is what was hashed.
        style = render(self._made, "web/style.css", {"colours": palette(settings.site)}).strip()
        copy_script = render(self._made, "web/copy.js", {}).strip()
        self._made.globals |= {"style": Markup(style), "copy_script": Markup(copy_script), "contact_url": contact_url(settings.site.contact),
                                "subscribe_page": subscribe_path(settings, [entry.name for entry in settings.lists])}
        self._style_source, self._script_source = _source(style), _source(copy_script)

    def page(self, name: str, language: str, *, status: int = 200, pictures: Iterable[str | None] = (), headers: dict[str, str] | None = None,
             framed_by: str = "'none'", copying: bool = False, **context: object) -> HTMLResponse:
        """The page `web/NAME.html` in `language`; `pictures` are the addresses of those it shows, `framed_by` the sites that may show it in a frame.

        `copying` admits the one script there is, that of the copy button. Raises BadInput for a broken template.
        """
        with in_language(language):
            html = render(self._made, f"web/{name}.html", {"language": language, **context})
        shown = [self._settings.site.logo, *pictures]
        policy = _policy(self._style_source, shown, framed_by) + (f"; script-src {self._script_source}" if copying else "")
        return HTMLResponse(html, status, {**(headers or {}), "Content-Security-Policy": policy})

    def fragment(self, name: str, language: str, **context: object) -> str:
        """A part of a page: `web/NAME.html` in `language`. Raises BadInput for a broken template."""
        with in_language(language):
            return render(self._made, f"web/{name}.html", {"language": language, **context})

    def frozen(self, html: str, headers: dict[str, str]) -> HTMLResponse:
        """A page that was composed as a mail is: its styles stand on its elements, its pictures are our copies."""
        # The page names our site by its address, and whoever reads it elsewhere (a preview) sees the pictures all the same.
        shown = [self._settings.site.url, self._settings.site.logo]
        return HTMLResponse(html, 200, {**headers, "Content-Security-Policy": _policy(_BODY_STYLES, shown)})

    def fault(self, status: int, language: str, headers: dict[str, str] | None = None) -> HTMLResponse:
        """The page that says what went wrong; a newsroom's own template that is broken must not hide that."""
        sent = {"Cache-Control": "no-store", **(headers or {})}
        try:
            return self.page("fault", language, status=status, headers=sent, code=status)
        except PublisherError:
            return HTMLResponse(f"<!DOCTYPE html><title>{status}</title><p>{status}</p>", status, sent)


def phrased(text: str) -> Markup:
    """`text`, escaped, with a place to break after each phrase."""
    return Markup("<wbr>").join(phrases(text))


def _source(text: str) -> str:
    """How the policy names a style sheet or script that stands in the page."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _policy(styles: str, pictures: Iterable[str | None], framed_by: str = "'none'") -> str:
    """Nothing runs, nothing is framed but by those named here, nothing comes from elsewhere but the pictures named here."""
    origins = dict.fromkeys(origin for picture in pictures if picture and (origin := _origin(picture)))
    return ("default-src 'none'; style-src " + styles + "; img-src " + " ".join(["'self'", *origins])
            + "; form-action 'self'; base-uri 'none'; frame-ancestors " + framed_by)


def _origin(url: str) -> str | None:
    """Scheme, host and port; None for what could end the directive or name every host."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return origin if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin) else None

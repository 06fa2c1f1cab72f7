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

_PICTURE = re.compile(r"""<img\b[^>]*?\bsrc\s*=\s*["']?(https?://[^\s"'/>]+)""", re.IGNORECASE)
_BODY_STYLES = "'unsafe-inline'"


class Pages:
    """The pages of one site. Raises BadInput for a style sheet of the newsroom's own that is no template."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made = environment(settings)
        self._made.filters["phrased"] = phrased
        # Rendered once, so that what stands in the page is what was hashed.
        style = render(self._made, "web/style.css", {"colours": palette(settings.site)}).strip()
        self._made.globals |= {"style": Markup(style), "contact_url": contact_url(settings.site.contact)}
        self._style_source = "'sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() + "'"

    def page(self, name: str, language: str, *, status: int = 200, pictures: Iterable[str | None] = (), headers: dict[str, str] | None = None,
             **context: object) -> HTMLResponse:
        """The page `web/NAME.html` in `language`; `pictures` are the addresses of those it shows. Raises BadInput for a broken template."""
        with in_language(language):
            html = render(self._made, f"web/{name}.html", {"language": language, **context})
        shown = [self._settings.site.logo, *pictures]
        return HTMLResponse(html, status, {**(headers or {}), "Content-Security-Policy": _policy(self._style_source, shown)})

    def frozen(self, html: str, headers: dict[str, str]) -> HTMLResponse:
        """A page that was composed as a mail is: its styles stand on its elements, its pictures are the newsroom's own."""
        return HTMLResponse(html, 200, {**headers, "Content-Security-Policy": _policy(_BODY_STYLES, _PICTURE.findall(html))})

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


def _policy(styles: str, pictures: Iterable[str | None]) -> str:
    """Nothing runs, nothing is framed, nothing comes from elsewhere but the pictures named here."""
    origins = dict.fromkeys(origin for picture in pictures if picture and (origin := _origin(picture)))
    return ("default-src 'none'; style-src " + styles + "; img-src " + " ".join(["'self'", *origins])
            + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")


def _origin(url: str) -> str | None:
    """Scheme, host and port; None for what could end the directive or name every host."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return origin if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin) else None

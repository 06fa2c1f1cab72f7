"""Puts a mail's styles on its elements once; what the inliner would have escaped stands behind placeholders until it is through."""

import logging
import re
from collections.abc import Iterable

from publisher.compose.rendering import BORDER
from publisher.errors import BadInput
from publisher.i18n import _
from publisher.text.slots import slot

# RFC 2606 section 2: a name under .invalid leads nowhere, should one ever stay behind.
PLACEHOLDER_HOST = "placeholder.invalid"
_LINK_ELEMENT = re.compile(r"<link\b[^>]*>", re.IGNORECASE)


def placeholder(name: str) -> str:
    """The address that stands for the slot `name` while a template is rendered and inlined."""
    return f"https://{PLACEHOLDER_HOST}/{name}"


def inlined(html: str, template: str) -> str:
    """`html` with its styles on its elements; nothing is fetched and no file is read. Raises BadInput that names `template`."""
    # The inliner costs start-up time and memory that only composing should pay.
    from premailer import Premailer

    try:
        return str(Premailer(
            _LINK_ELEMENT.sub("", html), keep_style_tags=True, remove_classes=False, strip_important=False, allow_network=False,
            allow_loading_external_files=False, disable_validation=True,
            # A picture's own width and height are what Outlook goes by; the style's 100 % and `auto` are for everybody else.
            disable_basic_attributes=["width", "height"], cssutils_logging_level=logging.CRITICAL, base_url=None).transform())
    # premailer, cssutils and lxml raise whatever they meet in a newsroom's own styles.
    except Exception as error:
        raise BadInput(template, _("the styles cannot be put into the mail: %(reason)s", reason=str(error) or type(error).__name__),
                       remedy=_("compare it with the shipped template of that name")) from error


def finished(html: str, slots: Iterable[str]) -> str:
    """`html` with its borders of phrases, and with a slot where the placeholder of each of `slots` stood."""
    html = html.replace(BORDER, "<wbr>")
    for name in slots:
        html = html.replace(placeholder(name), slot(name))
    return html

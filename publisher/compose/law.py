"""What the law wants under every mail, as data, and whether the newsroom's own templates show it: in the HTML part and in the text part.

Not legal advice. Sources: 特定電子メールの送信の適正化等に関する法律 article 4 and its rules 7 to 9; Directive 2000/31/EC article 5,
Directive 2002/58/EC article 13 (4), Regulation (EU) 2016/679 article 7 (3); CAN-SPAM Act, 15 U.S.C. 7704 (a)(3) and (5).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from publisher.compose import html as html_part
from publisher.compose import text as text_part
from publisher.compose.issue import Number, Told, issue_view
from publisher.compose.rendering import templates
from publisher.compose.subject import with_subject
from publisher.errors import BadInput, Problem
from publisher.i18n import N_, _, current_language, in_language
from publisher.settings import Newsletter, Settings
from publisher.text.clean import clean_line
from publisher.text.slots import slot

_JAPAN = N_("Japan, Act on Specified Electronic Mail, article 4")
_COMMERCE, _PRIVACY = N_("EU, Directive 2000/31/EC, article 5"), N_("EU, Directive 2002/58/EC, article 13, and GDPR, article 7")
_US = N_("USA, CAN-SPAM Act")
_WHAT = {"name": N_("the sender's name (site.name)"), "leave": N_("a sentence that one can leave, with the link to do it"),
         "postal_address": N_("the postal address (site.postal_address)"), "contact": N_("the contact (site.contact)")}
_PARTS = {html_part.TEMPLATE: N_("the HTML part does not show %(what)s, wanted by: %(laws)s"),
          text_part.TEMPLATE: N_("the text part does not show %(what)s, wanted by: %(laws)s")}


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that one law wants in every mail. `what` is a key of the settings under `site`, or `leave`."""

    id: str
    law: str
    what: str


RULES = (
    Rule("jp-name", _JAPAN, "name"),
    Rule("jp-refusal", _JAPAN, "leave"),
    Rule("jp-address", _JAPAN, "postal_address"),
    Rule("jp-contact", _JAPAN, "contact"),
    Rule("eu-name", _COMMERCE, "name"),
    Rule("eu-refusal", _PRIVACY, "leave"),
    Rule("eu-address", _COMMERCE, "postal_address"),
    Rule("eu-contact", _COMMERCE, "contact"),
    Rule("us-refusal", _US, "leave"),
    Rule("us-address", _US, "postal_address"),
)
# A sentence about leaving has one of these words, whatever else a newsroom writes.
_LEAVING = re.compile("停止|解除|退会|中止|やめ|取り消|キャンセル|不要|unsubscribe|leave|opt[ -]?out|stop|cancel|withdraw", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])", re.IGNORECASE)
_NO_TEXT = ("head", "style", "script", "title", "template")
_BLOCKS = ("p", "td", "th", "li", "div", "body")


def law_problems(settings: Settings) -> list[Problem]:
    """A line for each thing that a sample issue, made with the newsroom's templates, does not show where the law wants it.

    Settings that are empty are not told here but by `missing_fields`. A template that fails is one problem.
    """
    problems: dict[str, Problem] = {}
    for newsletter in _one_of_each_language(settings):
        language = settings.language_of(newsletter)
        try:
            parts = _sample(settings, newsletter, language)
        except BadInput as error:
            problems.setdefault(str(error.problem), error.problem)
            continue
        for problem in _missing(settings, parts):
            problems.setdefault(str(problem), problem)
    return list(problems.values())


def _one_of_each_language(settings: Settings) -> list[Newsletter]:
    newsletters = settings.newsletters or (Newsletter.model_validate({"name": "sample", "list": "sample"}),)
    return list({settings.language_of(newsletter): newsletter for newsletter in reversed(newsletters)}.values())


def _sample(settings: Settings, newsletter: Newsletter, language: str) -> dict[str, str]:
    """Both parts of an issue with one short story, by the name of their template. Raises BadInput."""
    snapshot: dict[str, Any] = {
        "id": 1, "headline": "…", "summary": "", "body": "", "facts": [], "source_name": None, "source_url": None, "image_url": None,
        "image_alt": None, "date": None, "language": language, "rights": "own", "reading_minutes": 1, "tags": [], "author": None, "section": None}
    with in_language(language):
        made = templates(settings)
        view = with_subject(made, issue_view(settings, Number(1, 1, newsletter, date(2025, 1, 1)), [Told(snapshot, None)], language))
        return {html_part.TEMPLATE: html_part.mail_html(made, view, 1), text_part.TEMPLATE: text_part.mail_text(made, view)}


def _missing(settings: Settings, parts: dict[str, str]) -> Iterator[Problem]:
    joint = "、" if current_language() == "ja" else "; "
    for template, content in parts.items():
        is_html = template == html_part.TEMPLATE
        blocks = list(_html_blocks(content)) if is_html else _text_blocks(content)
        shown = _squeezed("".join(blocks))
        for what, words in _WHAT.items():
            if what == "leave":
                link = slot("leave_url")
                fine = any(link in block and _LEAVING.search(block.replace(link, "")) for block in blocks)
            else:
                value = _squeezed(clean_line(getattr(settings.site, what)))
                fine = value in shown
            if not fine:
                laws = joint.join(dict.fromkeys(_(rule.law) for rule in RULES if rule.what == what))
                yield Problem(template, _(_PARTS[template], what=_(words), laws=laws),
                              remedy=_("compare your email/_base/footer with the shipped one"))


def _squeezed(text: str) -> str:
    """`text` without white space, so that the wrapping of lines makes no difference."""
    return re.sub(r"\s+", "", text)


def _text_blocks(text: str) -> list[str]:
    """The paragraphs of a text part, each with the one before it: a link on a line of its own belongs to the words above."""
    paragraphs = re.split(r"\n\s*\n", text)
    return ["\n".join(pair) for pair in zip(["", *paragraphs], paragraphs, strict=False)]


def _html_blocks(html: str) -> Iterator[str]:
    """The text of each block that can be seen, with the slots of its links; each text once."""
    for element in lxml_html.document_fromstring(html).iter(*_BLOCKS):
        if not any(_is_hidden(one) for one in (element, *element.iterancestors())):
            yield "".join(_seen(element))


def _seen(element: Any) -> Iterator[str]:
    """What can be read in a block, without the blocks inside it."""
    yield element.text or ""
    for child in element:
        if isinstance(child, etree._Element) and isinstance(child.tag, str) and child.tag not in _BLOCKS and not _is_hidden(child):
            words = "".join(_seen(child))
            # A link around nothing cannot be pressed.
            yield words + (f" {child.get('href', '')} " if child.tag == "a" and words.strip() else "")
        yield child.tail or ""


def _is_hidden(element: Any) -> bool:
    return element.tag in _NO_TEXT or element.get("hidden") is not None or bool(_HIDDEN.search(element.get("style") or ""))

"""One document to its stories: the shape is recognised by what stands in it, and nothing readable is ever lost or an error."""

from publisher.errors import BadInput
from publisher.i18n import _
from publisher.ingest.article import read_article
from publisher.ingest.decode import decode
from publisher.ingest.draft import Reading
from publisher.ingest.markdown import clean_document, outline
from publisher.ingest.post import FrontMatter, split_front_matter
from publisher.ingest.report import Context, read_report, report_day
from publisher.text.clean import clean_text
from publisher.text.dates import as_day, find_date
from publisher.text.language import language_tag


def read_document(data: bytes, *, where: str) -> Reading:
    """The stories of a document in their order: many for a report, one for a post, a saved page or an article.

    `where` (a path or an address) names it in problems. Raises BadInput where the whole is refused: empty, binary, over 5 MB, in an unknown
    encoding, with broken front matter, or without a word. A date that is none costs the date only, and is told in `problems`.
    """
    front, text = split_front_matter(clean_text(decode(data, where)), where)
    read = outline(clean_document(text))
    context = _context(front, where)
    day = context.day or report_day(read, context.title)
    context = Context(where, context.title, context.language, day)
    found = read_report(read, context)
    if not found:
        article = read_article(read, front, context)
        if article is None:
            raise BadInput(where, _("there is no text in it"))
        found = [article]
    return Reading(tuple(story.draft for story in found), tuple(problem for story in found for problem in story.problems))


def _context(front: FrontMatter | None, where: str) -> Context:
    if front is None:
        return Context(where)
    day = as_day(find_date(front.text("date", "published", "公開日", "日付") or ""))
    return Context(where, front.text("title", "headline", "タイトル"), language_tag(front.text("lang", "language") or ""), day)

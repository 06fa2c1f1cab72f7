"""What search engines ask for: the addresses of all issues and stories, in files of a fixed size, and which pages are not for them."""

from collections.abc import Iterator
from datetime import datetime
from xml.sax.saxutils import escape

from sqlalchemy import func, select
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from publisher.db import Database
from publisher.links import issue_url, story_url
from publisher.models import Issue, Pick
from publisher.published import LISTED
from publisher.settings import Settings

# sitemaps.org, "Sitemap index files": at most 50,000 addresses and 50 MB in one file.
_MOST = 50_000
_AT_ONCE = 5_000
_HEADERS = {"Cache-Control": "public, max-age=3600"}
_XML = "application/xml"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


class Sitemap:
    """The sitemap of one site. Small sites have one file; of large ones each file holds a range of ids, so that it hardly ever changes."""

    def __init__(self, database: Database, settings: Settings, most: int = _MOST) -> None:
        self._database, self._url, self._most = database, settings.site.url, most

    def whole(self) -> Response:
        """All addresses, or the index of the files that hold them."""
        with self._database.reading() as session:
            issues = session.execute(select(func.count(), func.max(Issue.id)).where(LISTED)).one()
            told = select(func.count(Pick.story_id.distinct()), func.max(Pick.story_id)).join(Issue, Issue.id == Pick.issue_id).where(LISTED)
            stories = session.execute(told).one()
        if issues[0] + stories[0] + 1 <= self._most:
            return self._stream(self._urls(("issues", "stories"), 0, None))
        last = {"issues": issues[1] or 0, "stories": stories[1] or 0}
        files = [f"{self._url}/sitemap-{kind}-{part}.xml" for kind, highest in last.items() for part in range(highest // self._most + 1)]
        return self._stream(iter([f'<sitemapindex xmlns="{_NAMESPACE}">\n', *(f"<sitemap><loc>{escape(file)}</loc></sitemap>\n" for file in files),
                                  "</sitemapindex>\n"]))

    def part(self, kind: str, part: str) -> Response:
        """One file of a large sitemap. Raises HTTPException 404 for one that the index does not name."""
        if kind not in ("issues", "stories") or not part.isascii() or not part.isdecimal() or len(part) > 5:
            raise HTTPException(404)
        first = int(part) * self._most
        return self._stream(self._urls((kind,), first, first + self._most))

    def robots(self) -> Response:
        """Where the sitemap is, and that a page with a reader's token is for nobody else."""
        closed = "".join(f"Disallow: /{room}/\n" for room in ("u", "confirm", "preferences", "embed"))
        return PlainTextResponse(f"User-agent: *\n{closed}\nSitemap: {self._url}/sitemap.xml\n", headers={"Cache-Control": "public, max-age=86400"})

    def _stream(self, lines: Iterator[str]) -> Response:
        def whole() -> Iterator[str]:
            yield _HEAD
            yield from lines

        return StreamingResponse(whole(), media_type=_XML, headers=_HEADERS)

    def _urls(self, kinds: tuple[str, ...], first: int, end: int | None) -> Iterator[str]:
        yield f'<urlset xmlns="{_NAMESPACE}">\n'
        if len(kinds) > 1:
            yield f"<url><loc>{escape(self._url)}/</loc></url>\n"
        for kind in kinds:
            address = issue_url if kind == "issues" else story_url
            for ids in self._in_steps(kind, first, end):
                yield "".join(f"<url><loc>{escape(address(self._url, number))}</loc><lastmod>{told.date().isoformat()}</lastmod></url>\n"
                              for number, told in ids)
        yield "</urlset>\n"

    def _in_steps(self, kind: str, first: int, end: int | None) -> Iterator[list[tuple[int, datetime]]]:
        """Ids from `first` to before `end` with the moment they were last told, some thousands at a time: no transaction is held over the network."""
        number = Issue.id if kind == "issues" else Pick.story_id
        query = select(number, func.max(Issue.started_at)).where(LISTED)
        if kind == "stories":
            query = query.join(Pick, Pick.issue_id == Issue.id)
        if end is not None:
            query = query.where(number < end)
        while True:
            with self._database.reading() as session:
                rows = session.execute(query.where(number >= first).group_by(number).order_by(number).limit(_AT_ONCE)).all()
            found = [(int(row_id), told) for row_id, told in rows if told is not None]
            if not found:
                return
            yield found
            first = found[-1][0] + 1

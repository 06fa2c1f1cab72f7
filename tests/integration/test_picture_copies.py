"""Pictures of our own stories are copied, made small and served from here; one that cannot be had costs only itself, and nothing is shown from elsewhere."""

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from publisher.compose.drafting import compose_draft
from publisher.db import Database
from publisher.ingest.pictures import LARGEST, copy_pictures
from publisher.jobs import Press, finish_draft
from publisher.models_site import Picture
from publisher.pictures import key_of
from publisher.settings import Fetch, Settings
from tests.composing import NOW, Newsroom, settings, story
from tests.readers import KEYS, lists
from tests.serving import Site, plain, set_state
from tests.webserver import Web, web_server


def photograph(width: int = 1600, height: int = 900) -> bytes:
    """A JPEG of many colours."""
    written = io.BytesIO()
    Image.merge("RGB", [Image.linear_gradient("L").rotate(angle).resize((width, height)) for angle in (0, 90, 180)]).save(written, "JPEG")
    return written.getvalue()


@pytest.fixture
def web() -> Iterator[Web]:
    """A newsroom's picture server on this machine."""
    with web_server() as server:
        yield server


def opened(**changes: Any) -> Settings:
    """Settings that may fetch from this machine."""
    return settings(language="en", **changes).model_copy(update={"fetch": Fetch(allow=("127.0.0.0/8",), timeout=timedelta(seconds=2))})


def kept(database: Database) -> dict[str, Picture]:
    """Every row of pictures by the address of the original."""
    with database.reading() as session:
        return {row.url: row for row in session.scalars(select(Picture))}


def test_a_picture_is_copied_once_and_shown_from_here(database: Database, web: Web) -> None:
    """In the mail, on the issue's page, on the story's, in what a link shows, and in the feed; with its size, so that nothing jumps."""
    url = web.put("/lab.jpg", photograph(), Content_Type="image/jpeg")
    lists(database)
    newsroom = Newsroom(database, opened())
    issue_id = newsroom.draft([story("Aoba opens a model", language="en", summary="A summary.", image_url=url, image_alt="The lab"),
                               story("Another one", language="en", image_url=url)])
    finish_draft(Press(newsroom.settings, database, KEYS, {}, {}), issue_id, NOW)
    assert web.asked["/lab.jpg"] == 1
    copy = kept(database)[url]
    assert (copy.width, copy.height, copy.media_type, copy.problem) == (1104, 621, "image/jpeg", None)
    address = f"/pictures/{key_of(url)}.jpg"
    edition = newsroom.read(issue_id)[1]
    for html in (edition.html, edition.page):
        assert f'src="https://news.example.jp{address}" alt="The lab" width="552" height="310"' in html
        assert web.address not in html
        assert html.count("<img") == 1  # the first story only
    set_state(database, issue_id, "sent")
    with Site(database, newsroom.settings, newsroom, issue_id).browse() as client:
        page = client.get("/stories/1")
        plain(page)
        assert f'<img src="{address}" alt="The lab" width="1104" height="621">' in page.text
        assert f'<meta property="og:image" content="https://news.example.jp{address}">' in page.text
        assert 'content="summary_large_image"' in page.text
        assert "img-src 'self';" in page.headers["content-security-policy"]
        assert f'content="https://news.example.jp{address}"' in client.get(f"/issues/{issue_id}").text
        assert client.get("/feed.json").json()["items"][0]["image"] == f"https://news.example.jp{address}"


def test_a_copy_is_served_for_ever_and_not_sent_twice(database: Database, web: Web) -> None:
    url = web.put("/lab.jpg", photograph(), Content_Type="image/jpeg")
    newsroom = Newsroom(database, opened())
    issue_id = newsroom.draft([story("Aoba opens a model", image_url=url)])
    assert copy_pictures(database, newsroom.settings, issue_id, NOW) == 1
    key = key_of(url)
    with Site(database, newsroom.settings, newsroom, issue_id).browse() as client:
        answer = client.get(f"/pictures/{key}.jpg")
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/jpeg", kept(database)[url].data)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = client.get(f"/pictures/{key}.jpg", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.head(f"/pictures/{key}.jpg").headers["content-length"] == str(len(answer.content))
        for wrong in (f"{key}.png", f"{key}.html", key, f"{key}.JPG", "0" * 40 + ".jpg", "..%2f", f"{key[:-1]}.jpg"):
            assert (wrong, client.get(f"/pictures/{wrong}").status_code) == (wrong, 404)


def test_the_picture_of_what_others_wrote_is_not_even_fetched(database: Database, web: Web) -> None:
    url = web.put("/theirs.jpg", photograph(), Content_Type="image/jpeg")
    newsroom = Newsroom(database, opened())
    issue_id = newsroom.draft([story("Theirs", rights="summary", source_url="https://wire.example.com/a", image_url=url), story("No picture")])
    assert copy_pictures(database, newsroom.settings, issue_id, NOW) == 0
    assert web.asked["/theirs.jpg"] == 0
    assert kept(database) == {}


def test_a_picture_that_cannot_be_had_costs_only_itself(database: Database, web: Web) -> None:
    """Gone, no picture, too large, a bomb, too slow, inside the network: each has its reason, and the issue leaves without it."""
    web.put("/page.jpg", "<html>No picture</html>", Content_Type="image/jpeg")
    web.put("/large.jpg", b"\xff" * (LARGEST + 1), Content_Type="image/jpeg")
    web.bomb("/bomb.jpg", 30)
    web.drip("/slow.jpg")
    good = web.put("/good.jpg", photograph(), Content_Type="image/jpeg")
    reasons = {web.url("/gone.jpg"): "404 Not Found", web.url("/page.jpg"): "no JPEG", web.url("/large.jpg"): "larger than 10 MB",
               web.url("/bomb.jpg"): "larger than 10 MB", web.url("/slow.jpg"): "within 2 seconds", "https://192.168.7.7/router.jpg": "private or reserved",
               "javascript:alert(1)": "no web address", "http://[::1": "no web address"}
    newsroom = Newsroom(database, opened())
    issue_id = newsroom.draft([story(f"Story {place}", image_url=url) for place, url in enumerate([*reasons, good])])
    assert copy_pictures(database, newsroom.settings, issue_id, NOW) == 1
    found = kept(database)
    for url, reason in reasons.items():
        assert found[url].data is None
        assert reason in (found[url].problem or ""), url
    compose_draft(database, newsroom.settings, issue_id, NOW)
    edition = newsroom.read(issue_id)[1]
    assert "<img" not in edition.html
    assert "gone.jpg" not in edition.page


def test_what_failed_is_tried_again_later_and_not_at_once(database: Database, web: Web) -> None:
    url = web.url("/late.jpg")
    newsroom = Newsroom(database, opened())
    issue_id = newsroom.draft([story("Aoba", image_url=url)])
    assert copy_pictures(database, newsroom.settings, issue_id, NOW) == 0
    web.put("/late.jpg", photograph(), Content_Type="image/jpeg")
    assert copy_pictures(database, newsroom.settings, issue_id, NOW + timedelta(minutes=5)) == 0
    assert web.asked["/late.jpg"] == 1
    assert copy_pictures(database, newsroom.settings, issue_id, NOW + timedelta(minutes=11)) == 1
    assert kept(database)[url].problem is None
    assert copy_pictures(database, newsroom.settings, issue_id, NOW + timedelta(days=1)) == 0
    assert web.asked["/late.jpg"] == 2


def test_a_small_picture_is_shown_at_its_own_size(database: Database, web: Web) -> None:
    url = web.put("/small.jpg", photograph(200, 100), Content_Type="image/jpeg")
    newsroom = Newsroom(database, opened())
    issue_id = newsroom.draft([story("Aoba", image_url=url)])
    copy_pictures(database, newsroom.settings, issue_id, NOW)
    compose_draft(database, newsroom.settings, issue_id, NOW)
    assert 'width="200" height="100"' in newsroom.read(issue_id)[1].html
    assert "max-width:200px" in newsroom.read(issue_id)[1].html

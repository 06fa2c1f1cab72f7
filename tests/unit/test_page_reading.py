"""One web page becomes one story."""

import pytest

from publisher.errors import BadInput
from publisher.ingest.page import read_page

URL = "https://port.example.jp/news/1"
TEXT = "港のゲートの混み具合を1時間ごとに予測する仕組みで、トラックの待ち時間が64分から43分に縮んだ。運送会社38社が予測を見て出発を決めている。"
PAGE = f"""<!doctype html><html lang="ja"><head><meta charset="%s"><title>港の待ち時間が縮む | 例示港</title>
<meta property="og:title" content="港の待ち時間が縮む"><meta property="og:site_name" content="例示港">
<meta property="article:published_time" content="2026-03-05T09:30:00+09:00"><link rel="canonical" href="https://port.example.jp/news/1">
<meta property="og:image" content="https://port.example.jp/p.png"></head><body><nav><a href="/">ホーム</a></nav>
<article><h1>港の待ち時間が縮む</h1><p>{TEXT}</p><p>{TEXT}二度目の段落では、燃料の話をする。</p><script>alert(1)</script></article>
<footer>© 例示港</footer></body></html>"""


@pytest.mark.parametrize(("encoding", "content_type"), [
    ("utf-8", "text/html"), ("Shift_JIS", "text/html"), ("euc-jp", "text/html"), ("utf-8", "text/html; charset=utf-8")])
def test_a_page_is_one_story_in_any_encoding(encoding: str, content_type: str) -> None:
    """What stands around the article is left out."""
    text = (PAGE % encoding).replace("©", "(c)")
    (draft,) = read_page(text.encode(encoding), where=URL, url=URL, content_type=content_type).drafts
    assert (draft.headline, draft.source_name, draft.source_url, draft.language) == ("港の待ち時間が縮む", "例示港", URL, "ja")
    assert (draft.date or "")[:10] == "2026-03-05"
    assert draft.image_url == "https://port.example.jp/p.png"
    assert "64分から43分" in draft.body
    assert not any(rest in draft.body for rest in ("ホーム", "alert", "<p>", "例示港"))


def test_an_address_of_plain_text_is_read_as_a_file_would_be() -> None:
    """Markdown on the web is Markdown."""
    (draft,) = read_page(b"# Aoba opens its model\n\nForty billion parameters.\n", where=URL, url=URL, content_type="text/plain").drafts
    assert (draft.headline, draft.body) == ("Aoba opens its model", "Forty billion parameters.")


@pytest.mark.parametrize("page", ["<html><body></body></html>", "<html><body><nav><a href='/'>Home</a></nav></body></html>"])
def test_a_page_without_an_article_is_refused(page: str) -> None:
    """In one line."""
    with pytest.raises(BadInput, match="no article"):
        read_page(page.encode(), where=URL, url=URL, content_type="text/html")

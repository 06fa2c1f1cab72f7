"""Links with which a reader tells others: plain addresses of the networks' own pages, which learn nothing until one is followed."""

from urllib.parse import quote

from publisher.i18n import _


def share_links(title: str, url: str) -> list[tuple[str, str]]:
    """Name and address of each way to share `url`, in the current language.

    Sources: docs.bsky.app "Action Intent Links", share.joinmastodon.org, developers.line.biz "LINE Social Plugins", b.hatena.ne.jp "ボタンの作成".
    """
    said, address, both = (quote(text, safe="") for text in (title, url, f"{title} {url}"))
    return [
        ("X", f"https://x.com/intent/post?text={said}&url={address}"),
        ("Bluesky", f"https://bsky.app/intent/compose?text={both}"),
        ("Mastodon", f"https://share.joinmastodon.org/#text={both}"),
        ("LINE", f"https://social-plugins.line.me/lineit/share?url={address}&text={said}"),
        (_("Hatena Bookmark"), f"https://b.hatena.ne.jp/entry/panel/?url={address}&btitle={said}"),
        (_("E-mail"), f"mailto:?subject={said}&body={quote(url, safe='')}"),
    ]

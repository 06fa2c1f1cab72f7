"""Exports as the four tools write them, in words of our own: a zip, a folder or a file with a few posts and readers each."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# What no page of ours may show: a script, a pixel that counts readers, a picture from elsewhere, a form.
NASTY = ('<script>alert(1)</script><img src="https://track.example.net/o.gif" width="1" height="1"><img src="https://cdn.example.net/card.png" '
         'alt="A card on a desk"><form action="https://evil.example/"><input name="email"></form><a href="javascript:alert(2)">press</a>')
AOBA = "<h1>What changed</h1><p>Aoba Labs opened its <strong>model</strong>. <a href=\"https://wire.example.com/aoba\">Aoba Labs opens a model</a>.</p>"


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    """A zip that holds `files`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def folder(path: Path, files: Mapping[str, str]) -> Path:
    """The same unpacked."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, "utf-8")
    return path


def table(columns: str, *rows: Sequence[str]) -> str:
    """A CSV file."""
    out = io.StringIO()
    made = csv.writer(out)
    made.writerow(columns.split(","))
    made.writerows(rows)
    return out.getvalue()


def substack() -> dict[str, str]:
    """Two issues, one that is out of order; a draft, a page, a thread, one for paying readers, one without its file."""
    posts = table(
        "post_id,post_date,is_published,email_sent_at,inbox_sent_at,type,audience,title,subtitle,podcast_url",
        ("102.second-letter", "2024-05-08T07:00:00.000Z", "true", "2024-05-08T07:00:05.000Z", "", "newsletter", "everyone", "Second letter", "On prices", ""),
        ("101.first-letter", "2024-05-01T07:00:00.000Z", "true", "2024-05-01T07:00:05.000Z", "", "newsletter", "everyone", "First letter", "", ""),
        ("103.draft", "2024-05-09T07:00:00.000Z", "false", "", "", "newsletter", "everyone", "Not yet", "", ""),
        ("104.about", "2024-01-01T07:00:00.000Z", "true", "", "", "page", "everyone", "About", "", ""),
        ("105.talk", "2024-05-09T07:00:00.000Z", "true", "", "", "thread", "everyone", "Talk to us", "", ""),
        ("106.for-payers", "2024-05-10T07:00:00.000Z", "true", "2024-05-10T07:00:00.000Z", "", "newsletter", "only_paid", "For payers", "", ""),
        ("107.lost", "2024-05-11T07:00:00.000Z", "true", "2024-05-11T07:00:00.000Z", "", "newsletter", "everyone", "Lost file", "", ""))
    widget = ('<div class="subscription-widget-wrap" data-attrs="{}"><div class="preamble"><p>Thanks for reading!</p></div></div>'
              '<p class="button-wrapper"><a class="button" href="%%checkout_url%%"><span>Subscribe now</span></a></p>')
    readers = table("email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at",
                    ("hanako@example.jp", "false", "", "other", "false", "2023-01-02T03:04:05.000Z", ""),
                    ("taro@example.jp", "true", "2030-01-01T00:00:00.000Z", "yearly", "false", "2023-02-02T00:00:00.000Z", "2023-02-02T00:00:00.000Z"),
                    ("gone@example.jp", "false", "", "other", "true", "2022-01-01T00:00:00.000Z", ""), ("nobody", "", "", "", "false", "", ""))
    return {"posts.csv": posts, "posts/101.first-letter.html": AOBA + NASTY, "posts/102.second-letter.html": f"<p>Prices fell by half.</p>{widget}",
            "posts/106.for-payers.html": "<p>Secret.</p>", "posts/101.first-letter.opens.csv": table("email,timestamp", ("spy@example.com", "x")),
            "email_list.example.csv": readers}


def ghost() -> dict[str, str]:
    """Two posts, one of them sent by mail only; a page, a draft, one for members; members who take mails and who do not."""
    def post(number: int, **values: Any) -> dict[str, Any]:
        return {"id": f"65{number:022}", "uuid": f"00000000-0000-4000-8000-{number:012}", "title": f"Letter {number}", "slug": f"letter-{number}",
                "mobiledoc": None, "lexical": "{}", "html": AOBA, "plaintext": "", "status": "published", "type": "post", "visibility": "public",
                "created_at": "2024-01-01T00:00:00.000Z", "published_at": f"2024-05-{number:02}T07:00:00.000Z", "custom_excerpt": None} | values

    posts = [post(2, html='<p>See <a href="__GHOST_URL__/letter-1/">the first letter</a>.</p><div class="kg-card kg-signup-card"><p>Join</p></div>' + NASTY),
             post(1, custom_excerpt="How it began"), post(3, status="sent", html="<p>By mail only.</p>"), post(4, status="draft", published_at=None),
             post(5, type="page"), post(6, visibility="members"), post(7, html=None)]
    members = table("id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers",
                    ("1", "hanako@example.jp", "山田 花子", "", "true", "false", "", "2023-01-02T03:04:05.000Z", "", "", ""),
                    ("2", "taro@example.jp", "Taro Suzuki", "met", "true", "true", "cus_1", "2023-02-02T00:00:00.000Z", "", "VIP", "Gold"),
                    ("3", "gone@example.jp", "", "", "false", "false", "", "2022-01-01T00:00:00.000Z", "", "", ""))
    content = json.dumps({"db": [{"meta": {"exported_on": 1, "version": "5.80.0"}, "data": {"posts": posts, "tags": [], "users": []}}]})
    return {"example.ghost.2024-06-01.json": content, "members.2024-06-01.csv": members}


def buttondown() -> dict[str, str]:
    """Two mails in two editors, one more with front matter alone, a draft, one for paying readers; subscribers of most kinds, and unsubscribers."""
    emails = json.dumps([
        {"id": "a1", "secondary_id": "1", "subject": "Plain mail", "publish_date": "2024-05-01 07:00:00+00:00", "source": "app", "slug": "plain-mail"},
        {"id": "a2", "secondary_id": "2", "subject": "Fancy mail", "publish_date": "2024-05-08 07:00:00+00:00", "source": "app", "slug": "fancy-mail"},
        {"id": "a3", "secondary_id": "3", "subject": "Draft", "publish_date": "2024-05-09 07:00:00+00:00", "slug": "draft", "status": "draft", "body": "x"},
        {"id": "a4", "secondary_id": "4", "subject": "Paid", "publish_date": "2024-05-09 07:00:00+00:00", "slug": "paid", "email_type": "premium", "body": "x"}])
    plain = ("<!-- buttondown-editor-mode: plaintext -->Hello {{ subscriber.metadata.name }}!\n\n## News\n\n[Aoba Labs opens a model](https://wire.example.com/aoba)\n\n"
             "![A card on a desk](https://cdn.example.net/card.png)\n\n<script>alert(1)</script>\n\n[Leave]({{ unsubscribe_url }})\n")
    subscribers = table("email,notes,tags,type,creation_date,unsubscription_date",
                        ("hanako@example.jp", "", "", "regular", "2023-01-02 03:04:05+00:00", ""),
                        ("taro@example.jp", "", "vip", "premium", "2023-02-02 00:00:00+00:00", ""),
                        ("waiting@example.jp", "", "", "unactivated", "2024-05-02 00:00:00+00:00", ""),
                        ("bounced@example.jp", "", "", "undeliverable", "2022-05-02 00:00:00+00:00", ""),
                        ("angry@example.jp", "", "", "complained", "2022-05-02 00:00:00+00:00", ""))
    return {"emails.json": emails, "emails/plain-mail.md": plain,
            "emails/fancy-mail.md": f"<!-- buttondown-editor-mode: fancy -->{AOBA}{NASTY}",
            "emails/alone.md": "---\nsubject: \"Alone: a letter\"\npublish_date: 2024-05-15T07:00:00Z\nslug: alone\n---\nIt stands alone.\n",
            "subscribers.csv": subscribers,
            "unsubscribers.csv": table("email,creation_date,unsubscription_date", ("gone@example.jp", "2022-01-01 00:00:00+00:00", "2023-06-01 00:00:00+00:00"))}


def listmonk() -> dict[str, str]:
    """Two finished campaigns, one in Markdown; a draft, an opt-in mail; subscribers enabled, disabled and blocklisted."""
    def campaign(number: int, **values: Any) -> dict[str, Any]:
        return {"id": number, "uuid": f"57702beb-6fae-4355-a324-{number:012}", "type": "regular", "name": f"Campaign {number}", "subject": f"Campaign {number}",
                "body": AOBA, "content_type": "richtext", "status": "finished", "messenger": "email", "created_at": "2024-04-01T00:00:00.29451+02:00",
                "started_at": f"2024-05-{number:02}T09:00:00.29451+02:00", "send_at": None, "tags": [], "lists": [{"id": 1, "name": "Default list"}]} | values

    campaigns = {"data": {"results": [
        campaign(2, content_type="markdown", body="Hi {{ .Subscriber.FirstName }}!\n\n[Aoba Labs opens a model](https://wire.example.com/aoba@TrackLink)\n\n{{ TrackView }}"),
        campaign(1, body=AOBA + NASTY + '<p><a href="{{ UnsubscribeURL }}">Unsubscribe</a></p>', archive_slug="first"),
        campaign(3, status="draft"), campaign(4, type="optin")], "total": 4, "per_page": 100, "page": 1}}
    subscribers = table("uuid,email,name,attributes,status,created_at,updated_at",
                        ("u1", "hanako@example.jp", "山田 花子", "{}", "enabled", "2023-01-02 03:04:05.29451 +0000 UTC", "2023-01-02 03:04:05 +0000 UTC"),
                        ("u2", "taro@example.jp", "Taro", '{"city": "Naha"}', "enabled", "2023-02-02 09:00:00.5 +0900 JST", "2023-02-02 09:00:00 +0900 JST"),
                        ("u3", "gone@example.jp", "", "{}", "disabled", "2022-01-01 00:00:00 +0000 UTC", ""),
                        ("u4", "blocked@example.jp", "", "{}", "blocklisted", "2022-01-01 00:00:00 +0000 UTC", ""))
    return {"campaigns.json": json.dumps(campaigns), "subscribers.csv": subscribers}

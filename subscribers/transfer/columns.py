"""The columns of a file of readers, by whatever name its maker gave them.

Names as the tools write them: Mailchimp ("Email Address", "First Name", "OPTIN_TIME", "CONFIRM_TIME", "UNSUB_TIME", "CLEAN_TIME"), Substack
(`email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at`; `active_subscription` is about money and says nothing here),
Ghost (`id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers`: its members-csv,
lib/unparse.js), listmonk (`uuid,email,name,attributes,status,created_at,updated_at`: cmd/subscribers.go) and Buttondown (`email` or `email_address`,
`type` or `subscriber_type`, `creation_date`, `unsubscription_date`: https://docs.buttondown.com/api-subscribers-introduction).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from subscribers.transfer.states import folded

# What this program writes, in its order; the first name of each field below.
EXPORTED = ("email", "name", "language", "timezone", "state", "created_at", "confirmed_at", "left_at", "rhythm", "sections", "hour", "suppressed",
            "consent")
# The earlier name wins where a file has several: a confirmation says more than a sign-up.
_NAMES = {
    "email": "email|e mail|mail|email address|e mail address|subscriber email|メールアドレス|メール|eメール|電子メール|電子メールアドレス|アドレス",
    "name": "name|full name|fullname|display name|名前|お名前|氏名|ご氏名|宛名",
    "given": "first name|firstname|fname|given name|名",
    "family": "last name|lastname|lname|surname|family name|姓|苗字",
    "language": "language|locale|preferred language|言語",
    "timezone": "timezone|time zone|タイムゾーン",
    "state": "subscription status|subscriber status|subscriber type|email status|status|state|配信状態|登録状態|購読状態|状態|状況|ステータス",
    "created": "created at|creation date|date created|created|date added|added at|joined at|signup date|signed up at|作成日|作成日時|追加日",
    "agreed": "confirmed at|confirm time|confirmation date|confirmation time|opted in at|optin time|opt in time|opt in date|consent date|agreed at|"
              "subscribed at|subscription date|date subscribed|登録日|登録日時|同意日|同意日時|購読開始日|購読日",
    "left": "left at|unsub time|unsubscribed at|unsubscription date|unsubscribe date|unsubscribe time|deleted at|opt out time|"
            "退会日|退会日時|解除日|解除日時|配信停止日",
    "cleaned": "clean time|cleaned at|bounced at",
    "takes": "subscribed to emails|subscribed|active|enabled|opt in|opted in|メール配信",
    "refuses": "email disabled|unsubscribed|opted out|opt out",
    "rhythm": "rhythm", "sections": "sections", "hour": "hour", "suppressed": "suppressed", "consent": "consent|consent text|同意内容",
}
_SPELLINGS = {field: names.split("|") for field, names in _NAMES.items()}
FIELDS = tuple(_NAMES)
# "メールアドレス（必須）", "Email *"
_BESIDE = re.compile(r"\(.*?\)|[*:：]")
# Beside these a column called state is a part of a country.
_PLACES = {"city", "zip", "zip code", "postal code", "postcode", "country", "address", "street", "county"}
# What else a file of Buttondown's has: elsewhere `type` may mean anything.
_BUTTONDOWN = {"creation date", "secondary id"}


@dataclass(frozen=True, slots=True)
class Columns:
    """The place of each field that a file has."""

    places: dict[str, int]
    buttondown: bool = False


def find_columns(header: Sequence[str]) -> Columns | None:
    """The columns that a first line names; None when none of them is called email."""
    cells = [_BESIDE.sub("", folded(cell)).strip() for cell in header]
    at: dict[str, int] = {}
    for place, cell in enumerate(cells):
        at.setdefault(cell, place)
    places = {field: at[found[0]] for field, names in _SPELLINGS.items() if (found := [name for name in names if name in at])}
    if "state" in places and cells[places["state"]] == "state" and _PLACES & set(at):
        del places["state"]
    buttondown = "state" not in places and "type" in at and bool(_BUTTONDOWN & set(at))
    if buttondown:
        places["state"] = at["type"]
    return Columns(places, buttondown or "subscriber type" in at) if "email" in places else None

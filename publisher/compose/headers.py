"""The headers that are the same for every reader of an issue, as Unicode: `deliver` adds the reader's own and encodes."""

import base64
import hashlib
import re
from email.utils import parseaddr
from urllib.parse import urlsplit

from publisher.compose.issue import title_of
from publisher.links import issue_url, list_address
from publisher.settings import Newsletter, Settings
from publisher.settings_sending import is_loopback
from publisher.text.clean import clean_line

_LONGEST_LIST_ID = 255


def issue_headers(settings: Settings, newsletter: Newsletter, issue_id: int, number: int, kind: str, language: str, *,
                  rhythm: str = "each") -> dict[str, str]:
    """Names and values in the order in which they stand in the mail (RFC 2369, 2919, 5064; Gmail's Feedback-ID).

    Where mail is taken in, the list's own addresses answer for help, joining and the owner.
    """
    contact, site = _contact(settings), settings.site.url
    headers = {"From": sender(settings)}
    if settings.mail.reply_to:
        headers["Reply-To"] = clean_line(settings.mail.reply_to)
    headers |= {
        "List-Id": list_id(settings, newsletter),
        **_list_addresses(settings, newsletter.list, contact),
        "List-Archive": f"<{site}/>",
        "List-Post": "NO",  # RFC 2369 section 3.4: an announcement, without brackets
        "Archived-At": f"<{issue_url(site, issue_id)}>",
        "Feedback-ID": feedback_id(settings, newsletter, number, kind, rhythm=rhythm),
        "Precedence": "bulk",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "Content-Language": language,
    }
    return headers


def list_id(settings: Settings, newsletter: Newsletter) -> str:
    """The List-Id of a newsletter's issues."""
    return list_label(settings, newsletter.list, title_of(settings, newsletter))


def list_label(settings: Settings, list_name: str, title: str) -> str:
    """`Title <list.host-of-site>` (RFC 2919 section 2: stable, at most 255 octets; a host of digits is `localhost`)."""
    host = urlsplit(settings.site.url).hostname or "localhost"
    host = "localhost" if is_loopback(host) or re.fullmatch(r"[\d.:]+", host) else host
    label = re.sub(r"\.+", ".", list_name).strip(".")
    title = re.sub(r"[<>\"\\]", "", title)
    return f"{title} <{label}.{host}>"[-_LONGEST_LIST_ID:]


def _list_addresses(settings: Settings, list_name: str, contact: str) -> dict[str, str]:
    """RFC 2369 sections 3.1, 3.3 and 3.5."""
    own = {act: list_address(settings, list_name, act) for act in ("help", "subscribe", "owner")}
    headers = {"List-Help": f"<mailto:{own['help']}>" if own["help"] else f"<mailto:{contact}?subject=help>"}
    if own["subscribe"]:
        headers["List-Subscribe"] = f"<mailto:{own['subscribe']}>"
    return headers | {"List-Owner": f"<mailto:{own['owner'] or contact}>"}


def feedback_id(settings: Settings, newsletter: Newsletter, number: int, kind: str, *, rhythm: str = "each") -> str:
    """`campaign:customer:mailtype:SenderId`; the prefixes keep the four apart, because Google wants no value twice."""
    campaign = "issue" if rhythm == "each" else rhythm
    return f"{campaign}-{newsletter.name}-{number}:list-{newsletter.list}:{kind}:{sender_id(settings)}"


def sender_id(settings: Settings) -> str:
    """5 to 15 characters that stay the same as long as the sender's domain does; `mail.sender_id` wins."""
    if settings.mail.sender_id:
        return settings.mail.sender_id
    domain = parseaddr(settings.mail.sender)[1].rpartition("@")[2].lower()
    return "s" + base64.b32encode(hashlib.sha256(domain.encode()).digest()).decode().lower()[:11]


def sender(settings: Settings) -> str:
    """Name and address; a sender without a name speaks as the site."""
    name, address = parseaddr(settings.mail.sender)
    name = clean_line(name or settings.site.name)
    return f"{name} <{address}>" if name else address


def _contact(settings: Settings) -> str:
    """The address that answers questions: the contact where it is one, else where replies go."""
    contact = settings.site.contact.strip()
    if re.fullmatch(r"[^\s@<>:/?&%,]+@[A-Za-z0-9.-]+", contact):
        return contact
    return parseaddr(settings.mail.reply_to or settings.mail.sender)[1]

"""The addresses that mails, posts and pages point to, and what their tokens are signed for."""

from publisher.settings import Settings
from publisher.tokens import Keys, Mint

# The purposes of signed tokens; a token of one purpose never serves another. With the ids inside each:
LEAVE = "leave"  # list, subscriber, issue
BOUNCE, MESSAGE = "bounce", "message"  # issue, subscriber
NOTICE = "notice"  # notice, subscriber: envelope sender and Message-ID of a mail that is no issue
CONFIRM = "confirm"  # request, subscriber
PREFERENCES = "preferences"  # list, subscriber
UNDO = "undo"  # list, subscriber, second at which they left
# RFC 5321 section 4.5.3.1.1; a token with two ids of the largest size has 40 characters.
_LONGEST_LOCAL = 64
_LONGEST_TOKEN = 40
# How a picture's name ends, by what it is.
PICTURE_ENDINGS = {"image/jpeg": "jpg", "image/png": "png"}


def issue_url(site_url: str, issue_id: int) -> str:
    """The page of an issue."""
    return f"{site_url}/issues/{issue_id}"


def story_url(site_url: str, story_id: int) -> str:
    """The page of a story."""
    return f"{site_url}/stories/{story_id}"


def picture_url(site_url: str, key: str, media_type: str) -> str:
    """Our copy of a picture."""
    return f"{site_url}/pictures/{key}.{PICTURE_ENDINGS[media_type]}"


def leave_url(site_url: str, token: str) -> str:
    """The page where a reader leaves; the same address takes the one-click POST (RFC 8058)."""
    return f"{site_url}/u/{token}"


def leave_token(keys: Keys, list_id: int, subscriber_id: int, issue_id: int) -> str:
    """The token of one reader's leave link in one issue. Works for ever: nothing of it is stored."""
    return leave_mint(keys, list_id, issue_id).token(subscriber_id)


def leave_mint(keys: Keys, list_id: int, issue_id: int) -> Mint:
    """Makes the leave tokens of all readers of one issue."""
    return keys.mint(LEAVE, (list_id,), (issue_id,))


def read_leave_token(keys: Keys, token: str) -> tuple[int, int, int] | None:
    """List, subscriber and issue of a leave token, or None when it is not one of ours."""
    ids = keys.read(LEAVE, token)
    return (ids[0], ids[1], ids[2]) if ids is not None and len(ids) == 3 else None


def confirm_url(site_url: str, token: str) -> str:
    """The page whose button confirms a request to join."""
    return f"{site_url}/confirm/{token}"


def confirm_token(keys: Keys, request_id: int, subscriber_id: int) -> str:
    """The token of one request to join; the request's row says until when it works, and that it was used."""
    return keys.sign(CONFIRM, request_id, subscriber_id)


def preferences_url(site_url: str, token: str) -> str:
    """The page where a reader chooses less, or more."""
    return f"{site_url}/preferences/{token}"


def preferences_token(keys: Keys, list_id: int, subscriber_id: int) -> str:
    """The token of one reader's preferences; works for ever."""
    return preferences_mint(keys, list_id).token(subscriber_id)


def preferences_mint(keys: Keys, list_id: int) -> Mint:
    """Makes the preferences tokens of all readers of one list."""
    return keys.mint(PREFERENCES, (list_id,))


def subscribe_url(site_url: str, list_name: str) -> str:
    """The page where readers join a list."""
    return f"{site_url}/subscribe/{list_name}"


def read_pair(keys: Keys, purpose: str, token: str) -> tuple[int, int] | None:
    """The two ids of a token of `purpose`, or None when it is not one of ours."""
    ids = keys.read(purpose, token)
    return (ids[0], ids[1]) if ids is not None and len(ids) == 2 else None


def list_address(settings: Settings, list_name: str, act: str, token: str | None = None) -> str | None:
    """`LIST-ACT@…` or `LIST-ACT+TOKEN@…`, at which a mail does something: subscribe, unsubscribe, confirm, help, owner.

    None where no mail is taken in (a mail server's pipe needs no door: `inbound.domain` says it), where the list's name leaves no room for a token,
    and for joining a list that is not public: nobody joins that by mail.
    """
    inbound, entry = settings.inbound, settings.reader_list(list_name)
    domain = inbound.domain or settings.mail.bounce_domain
    if not domain or not (inbound.listen or inbound.imap or inbound.domain) or (act == "subscribe" and entry is not None and not entry.public):
        return None
    local = f"{list_name}-{act}"
    if token is None:
        return f"{local}@{domain}"
    room = len(local) + len(inbound.delimiter) + max(len(token), _LONGEST_TOKEN)
    return f"{local}{inbound.delimiter}{token}@{domain}" if room <= _LONGEST_LOCAL else None

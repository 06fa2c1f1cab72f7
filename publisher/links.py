"""The addresses that mails, posts and pages point to, and what their tokens are signed for."""

from publisher.tokens import Keys

# The purposes of signed tokens; a token of one purpose never serves another.
LEAVE, BOUNCE, MESSAGE = "leave", "bounce", "message"


def issue_url(site_url: str, issue_id: int) -> str:
    """The page of an issue."""
    return f"{site_url}/issues/{issue_id}"


def story_url(site_url: str, story_id: int) -> str:
    """The page of a story."""
    return f"{site_url}/stories/{story_id}"


def leave_url(site_url: str, token: str) -> str:
    """The page where a reader leaves; the same address takes the one-click POST (RFC 8058)."""
    return f"{site_url}/u/{token}"


def leave_token(keys: Keys, list_id: int, subscriber_id: int, issue_id: int) -> str:
    """The token of one reader's leave link in one issue. Works for ever: nothing of it is stored."""
    return keys.sign(LEAVE, list_id, subscriber_id, issue_id)


def read_leave_token(keys: Keys, token: str) -> tuple[int, int, int] | None:
    """List, subscriber and issue of a leave token, or None when it is not one of ours."""
    ids = keys.read(LEAVE, token)
    return (ids[0], ids[1], ids[2]) if ids is not None and len(ids) == 3 else None

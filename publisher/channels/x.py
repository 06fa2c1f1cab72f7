"""Posts to X through tweepy: what failed for certain is an error, what nobody knows is an unknown outcome.

Answers as met with tweepy 4.17: 429 carries `x-rate-limit-reset`; a 5xx and a connection that ends without an answer say nothing about the post;
a text that is there already is a 403 that says "duplicate content".
"""

import html
import logging
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import tweepy

from publisher.channels.base import ChannelError, OutcomeUnknown, Posted
from publisher.channels.x_adapter import HOST, TIMEOUT, Adapter
from publisher.channels.x_tokens import TokenPair
from publisher.i18n import _
from publisher.settings_secrets import Credentials

# At DEBUG these write whole requests with their secrets.
for _name in ("tweepy", "oauthlib", "requests_oauthlib", "urllib3"):
    logging.getLogger(_name).setLevel(logging.INFO)

_WAIT_WITHOUT_CREDITS = timedelta(hours=6)
_WAIT_WITHOUT_RESET = timedelta(minutes=15)  # the window of X's limits
# A post is looked for around its attempt, as far as two clocks may differ: on a busy account it may be out of the newest 100 soon.
_BEFORE, _AFTER = timedelta(minutes=5), timedelta(hours=1)
_PAGES = 5  # of 100 posts, the most that X gives at once


class X:
    """One account on X."""

    repeatable = False

    def __init__(self, client: Callable[[datetime, str | None], tweepy.Client], *, user_auth: bool) -> None:
        self._client, self._user_auth = client, user_auth
        self._user_id: str | None = None

    @classmethod
    def with_oauth1(cls, credentials: Credentials, *, api: str | None = None, timeout: tuple[float, float] = TIMEOUT) -> "X":
        """An account with four keys that do not expire."""
        client = tweepy.Client(consumer_key=credentials["CONSUMER_KEY"], consumer_secret=credentials["CONSUMER_SECRET"],
                               access_token=credentials["ACCESS_TOKEN"], access_token_secret=credentials["ACCESS_TOKEN_SECRET"])
        client.session.mount(HOST, Adapter(api, timeout))
        return cls(lambda _now, _refused: client, user_auth=True)

    @classmethod
    def with_oauth2(cls, tokens: TokenPair, *, api: str | None = None, timeout: tuple[float, float] = TIMEOUT) -> "X":
        """An account with a user token that is renewed. tweepy takes it as the bearer token."""
        def client(now: datetime, refused: str | None) -> tweepy.Client:
            made = tweepy.Client(tokens.access(now, refused=refused))
            made.session.mount(HOST, Adapter(api, timeout))
            return made

        return cls(client, user_auth=False)

    def post(self, post_id: int, text: str, now: datetime) -> Posted:
        """Make the post. One that X calls a duplicate is there already, and is looked for. Raises ChannelError, OutcomeUnknown."""
        try:
            answer = self._ask(lambda client: client.create_tweet(text=text, user_auth=self._user_auth), now, writing=True)
        except _Duplicate:
            return self._found_or_somewhere(text, now)
        if not isinstance(answer.data, dict) or not answer.data.get("id"):
            raise OutcomeUnknown(_("X's answer names no post"))
        return _posted(str(answer.data["id"]))

    def _found_or_somewhere(self, text: str, now: datetime) -> Posted:
        try:
            found = self._look(text, now - timedelta(days=7), None, now)
        except ChannelError:
            found = None
        # X holds the same text; where exactly, its answer does not say.
        return found or Posted(None, None)

    def find(self, text: str, since: datetime, now: datetime) -> Posted | None:
        """Look through the account's posts of the hour from `since` on. Raises ChannelError when X does not show all of them."""
        end = since + _AFTER
        # X takes no end that is not past yet (its clock, not ours).
        return self._look(text, since - _BEFORE, end if end < now - _BEFORE else None, now)

    def _look(self, text: str, start: datetime, end: datetime | None, now: datetime) -> Posted | None:
        if self._user_id is None:
            me = self._ask(lambda client: client.get_me(user_auth=self._user_auth), now, writing=False)
            if not me.data:
                raise ChannelError(_("X's answer names no account"), permanent=False)
            self._user_id = str(me.data.id)
        span: dict[str, Any] = {"start_time": start.astimezone(UTC)} | ({"end_time": end.astimezone(UTC)} if end else {})
        wanted = _flat(text)
        for _page in range(_PAGES):
            answer = self._page(span, now)
            for tweet in answer.data or ():
                if _flat(_with_real_links(tweet.text, tweet.entities)) == wanted:
                    return _posted(str(tweet.id))
            if not answer.meta.get("next_token"):
                return None
            span["pagination_token"] = answer.meta["next_token"]
        raise ChannelError(_("the timeline is too long to be looked through"), permanent=False)

    def _page(self, span: dict[str, Any], now: datetime) -> Any:
        answer = self._ask(lambda client: client.get_users_tweets(
            self._user_id, max_results=100, tweet_fields=["entities"], user_auth=self._user_auth, **span), now, writing=False)
        if not answer.data and "result_count" not in answer.meta:
            # A success without data may be a list of errors: only a count of none says that nothing is there.
            raise ChannelError(_("X's answer shows no timeline"), permanent=False)
        return answer

    def _ask(self, call: Callable[[tweepy.Client], Any], now: datetime, *, writing: bool) -> Any:
        client = self._client(now, None)
        try:
            return _answered(lambda: call(client), now, writing=writing)
        except _NotLetIn as error:
            if self._user_auth:
                raise _unauthorised(error.reason) from None
        fresh = self._client(now, client.bearer_token)
        try:
            return _answered(lambda: call(fresh), now, writing=writing)
        except _NotLetIn as error:
            raise _unauthorised(error.reason) from None


class _Duplicate(Exception):
    """X holds this text already."""


class _NotLetIn(Exception):
    """X does not take the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _unauthorised(reason: str) -> ChannelError:
    return ChannelError(_("X does not let us in: %(reason)s; give the account new keys", reason=reason), permanent=True)


def _answered(call: Callable[[], Any], now: datetime, *, writing: bool) -> Any:
    """What the call gives, or what its failure means."""
    try:
        return call()
    except tweepy.TooManyRequests as error:
        reset = datetime.fromtimestamp(error.reset_time, UTC) if error.reset_time else now + _WAIT_WITHOUT_RESET
        raise ChannelError(_("X asks us to wait"), permanent=False, retry_at=max(reset, now + timedelta(seconds=30))) from error
    except tweepy.TwitterServerError as error:
        raise _lost(_("X answered %(status)s", status=error.response.status_code), writing=writing) from error
    except tweepy.HTTPException as error:
        raise _refusal(error, now, writing=writing) from error
    except requests.exceptions.ConnectTimeout as error:
        raise ChannelError(_("X cannot be reached"), permanent=False) from error
    except requests.exceptions.ConnectionError as error:
        if _never_left(error):
            raise ChannelError(_("X cannot be reached"), permanent=False) from error
        raise _lost(_("the connection to X ended without an answer"), writing=writing) from error
    except requests.exceptions.Timeout as error:
        raise _lost(_("X did not answer in time"), writing=writing) from error
    except (requests.exceptions.RequestException, ValueError, TypeError, AttributeError, LookupError) as error:
        # tweepy reads every answer as the object that it should be, and stumbles over any other JSON (a gateway's, say).
        raise _lost(_("X's answer cannot be read (%(reason)s)", reason=type(error).__name__), writing=writing) from error


def _refusal(error: tweepy.HTTPException, now: datetime, *, writing: bool) -> Exception:
    said = "; ".join(map(str, error.api_messages)) or f"status {error.response.status_code}"
    status = error.response.status_code
    if status == 401:
        return _NotLetIn(said)
    if status == 403 and "duplicate content" in said.lower():
        return _Duplicate(said)
    if status == 402:
        return ChannelError(_("X wants to be paid first: %(reason)s", reason=said), permanent=False, retry_at=now + _WAIT_WITHOUT_CREDITS)
    if status == 403:
        return ChannelError(_("X does not allow this: %(reason)s; see that the app may write and that the account is in order, then retry the post",
                              reason=said), permanent=True)
    if status == 408 or not 400 <= status < 500:
        return _lost(_("X answered %(status)s", status=status), writing=writing)
    return ChannelError(_("X refuses: %(reason)s", reason=said), permanent=True)


def _lost(reason: str, *, writing: bool) -> Exception:
    return OutcomeUnknown(reason) if writing else ChannelError(reason, permanent=False)


def _never_left(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the connection was not even made (refused, no such host), as opposed to broken."""
    return "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)


def _posted(identity: str) -> Posted:
    return Posted(identity, f"https://x.com/i/status/{identity}")


def _with_real_links(text: str, entities: Any) -> str:
    """X shows every link as t.co, a bare example.com too; the entities name what it stands for."""
    for link in (entities or {}).get("urls", ()):
        text = text.replace(link.get("url", ""), link.get("expanded_url") or link.get("url", ""))
    return text


def _flat(text: str) -> str:
    """What stays the same when X shows a text: it composes letters, escapes < > & once, completes links with a scheme and a slash."""
    plain = unicodedata.normalize("NFC", html.unescape(html.unescape(text)))
    return re.sub(r"https?://|[\s/]+", "", plain).casefold()

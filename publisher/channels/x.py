"""Posts to X through tweepy: what failed for certain is an error, what nobody knows is an unknown outcome.

Answers as met with tweepy 4.17: 429 carries `x-rate-limit-reset`; a 5xx and a connection that ends without an answer say nothing about the post;
a text that is there already is a 403 that says "duplicate content".
"""

import html
import logging
import re
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
        return _posted(str(answer.data["id"]))

    def _found_or_somewhere(self, text: str, now: datetime) -> Posted:
        try:
            found = self.find(text, now - timedelta(days=7), now)
        except ChannelError:
            found = None
        # X holds the same text; where exactly, its answer does not say.
        return found or Posted(None, None)

    def find(self, text: str, since: datetime, now: datetime) -> Posted | None:
        """Look through the account's latest posts (newest 100). Raises ChannelError when X does not show them."""
        if self._user_id is None:
            me = self._ask(lambda client: client.get_me(user_auth=self._user_auth), now, writing=False)
            self._user_id = str(me.data.id)
        start = (since - timedelta(minutes=5)).astimezone(UTC)
        answer = self._ask(lambda client: client.get_users_tweets(
            self._user_id, max_results=100, start_time=start, tweet_fields=["entities"], user_auth=self._user_auth), now, writing=False)
        wanted = _flat(text)
        for tweet in answer.data or ():
            if _flat(_with_real_links(tweet.text, tweet.entities)) == wanted:
                return _posted(str(tweet.id))
        return None

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
        raise _lost(f"X answered {error.response.status_code}", writing=writing) from error
    except tweepy.HTTPException as error:
        raise _refusal(error, now) from error
    except requests.exceptions.ConnectTimeout as error:
        raise ChannelError(_("X cannot be reached"), permanent=False) from error
    except requests.exceptions.ConnectionError as error:
        if _never_left(error):
            raise ChannelError(_("X cannot be reached"), permanent=False) from error
        raise _lost("the connection to X ended without an answer", writing=writing) from error
    except requests.exceptions.Timeout as error:
        raise _lost("X did not answer in time", writing=writing) from error
    except (requests.exceptions.RequestException, ValueError) as error:
        raise _lost(f"X's answer cannot be read ({type(error).__name__})", writing=writing) from error


def _refusal(error: tweepy.HTTPException, now: datetime) -> Exception:
    said = "; ".join(error.api_messages) or f"status {error.response.status_code}"
    status = error.response.status_code
    if status == 401:
        return _NotLetIn(said)
    if status == 403 and "duplicate content" in said.lower():
        return _Duplicate(said)
    if status == 402:
        return ChannelError(_("X wants to be paid first: %(reason)s", reason=said), permanent=False, retry_at=now + _WAIT_WITHOUT_CREDITS)
    return ChannelError(_("X refuses: %(reason)s", reason=said), permanent=True)


def _lost(reason: str, *, writing: bool) -> Exception:
    return OutcomeUnknown(reason) if writing else ChannelError(reason, permanent=False)


def _never_left(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the connection was not even made (refused, no such host), as opposed to broken."""
    return "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error)


def _posted(identity: str) -> Posted:
    return Posted(identity, f"https://x.com/i/status/{identity}")


def _with_real_links(text: str, entities: Any) -> str:
    """X shows every link as t.co; the entities name what it stands for."""
    for link in (entities or {}).get("urls", ()):
        text = text.replace(link.get("url", ""), link.get("expanded_url") or link.get("url", ""))
    return text


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(text)).strip()

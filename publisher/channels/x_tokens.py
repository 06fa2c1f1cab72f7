"""The token pair of an OAuth 2.0 account: renewed by one process at a time, and kept before it is used (RFC 6749 section 6).

The refresh is ours and not the library's: oauthlib raises after the server has answered when the scope differs, and the new token is lost.
"""

from datetime import datetime, timedelta

import requests
from sqlalchemy import select

from publisher.channels.base import ChannelError
from publisher.channels.x_adapter import HOST, Adapter
from publisher.db import Database
from publisher.errors import Busy
from publisher.i18n import _
from publisher.locks import hold
from publisher.models import AccountRow, AccountSecret
from publisher.settings_secrets import Credentials

# X says two hours; renewed a little earlier, so that no post meets the end.
_LIFETIME = timedelta(hours=2)
_MARGIN = timedelta(minutes=5)


class TokenPair:
    """The pair of one account. The environment's pair is the first; what X gave later stands in the database."""

    def __init__(self, database: Database, account: str, credentials: Credentials, *, api: str | None = None) -> None:
        self._database, self._account, self._credentials = database, account, credentials
        self._session = requests.Session()
        self._session.mount(HOST, Adapter(api))

    def access(self, now: datetime, *, refused: str | None = None) -> str:
        """An access token that is good at `now`; `refused` is one that X would not take. Raises ChannelError when none is to be had."""
        token = self._good(now, refused)
        if token is not None:
            return token
        try:
            with hold(self._database.engine, f"token-{self._account}", wait=True):
                # Another process may have renewed it while this one waited.
                return self._good(now, refused) or self._renew(now)
        except Busy as error:
            # Nothing has left yet, so that this is certain: the post was not made.
            raise ChannelError(error.reason, permanent=False) from error

    def _good(self, now: datetime, refused: str | None) -> str | None:
        stored = self._stored()
        if stored is None:
            first = self._credentials["ACCESS_TOKEN"]
            return first if first != refused else None
        fresh = stored.expires_at is None or stored.expires_at - _MARGIN > now
        return stored.access_token if fresh and stored.access_token != refused else None

    def _stored(self) -> AccountSecret | None:
        with self._database.reading() as session:
            return session.scalar(select(AccountSecret).join(AccountRow, AccountRow.id == AccountSecret.account_id)
                                  .where(AccountRow.name == self._account))

    def _renew(self, now: datetime) -> str:
        stored, first = self._stored(), self._credentials["REFRESH_TOKEN"]
        if stored is None or not stored.refresh_token or stored.refresh_token == first:
            return self._renew_with(first, now)
        try:
            return self._renew_with(stored.refresh_token, now)
        except ChannelError as error:
            if not error.permanent:
                raise
        # A person may have set new tokens since the kept ones went bad.
        return self._renew_with(first, now)

    def _renew_with(self, refresh: str, now: datetime) -> str:
        data = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": self._credentials["CLIENT_ID"]}
        secret = self._credentials.get("CLIENT_SECRET")
        try:
            answer = self._session.post(f"{HOST}/2/oauth2/token", data=data, auth=(data["client_id"], secret) if secret else None)
            given = answer.json() if answer.status_code == 200 else {}
        except (requests.RequestException, ValueError) as error:
            raise ChannelError(_("X did not renew the token: %(reason)s", reason=type(error).__name__), permanent=False) from error
        if not given.get("access_token"):
            raise ChannelError(_("X did not renew the token (status %(status)s): give the account new tokens", status=answer.status_code),
                               permanent=400 <= answer.status_code < 500 and answer.status_code != 429)
        return self._keep(given, refresh, now)

    def _keep(self, given: dict[str, object], refresh: str, now: datetime) -> str:
        lifetime = given.get("expires_in")
        expires = now + (timedelta(seconds=lifetime) if isinstance(lifetime, int) else _LIFETIME)
        with self._database.writing() as session:
            account_id = session.scalars(select(AccountRow.id).where(AccountRow.name == self._account)).one()
            session.merge(AccountSecret(account_id=account_id, access_token=str(given["access_token"]),
                                        refresh_token=str(given.get("refresh_token") or refresh), expires_at=expires))
        return str(given["access_token"])

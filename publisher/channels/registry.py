"""Which channel serves which account."""

from publisher.channels.base import Channel
from publisher.channels.outbox import Outbox
from publisher.db import Database
from publisher.settings import Account, Settings
from publisher.settings_secrets import credentials_of


def channel_for(account: Account, settings: Settings, database: Database) -> Channel:
    """The channel of an account with its credentials. Raises PublisherError naming those that are missing."""
    if account.kind == "outbox":
        return Outbox(settings.place(settings.paths.outbox) / account.name)
    # tweepy costs half a second of start-up, which a newsroom without an account on X need not pay.
    from publisher.channels.x import X
    from publisher.channels.x_tokens import TokenPair

    credentials = credentials_of(account)
    if account.oauth == "2.0":
        return X.with_oauth2(TokenPair(database, account.name, credentials, api=account.api), api=account.api)
    return X.with_oauth1(credentials, api=account.api)

"""Amazon SES v2: one SendEmail with our own MIME a mail. What the reader gets is our mail, but for Message-ID and Date, which SES puts itself.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
https://docs.aws.amazon.com/ses/latest/dg/header-fields.html
"""

import re
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from publisher.deliver.message import Mail
from publisher.deliver.providers.base import in_turn, lost, reason_of, trouble, wants_rest
from publisher.deliver.providers.parts import unsigned
from publisher.deliver.smtp import RelayTrouble
from publisher.deliver.verdict import Verdict
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings_secrets import relay_variable
from publisher.settings_sending import RelayEntry

# Too many at once, or for today: nothing was taken (https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html).
_TOO_MANY = frozenset(("TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling", "RequestThrottled",
                       "RequestThrottledException", "RequestLimitExceeded", "SlowDown"))
# About our account, our domain or our key, whoever the reader is.
_OURS = frozenset(("AccountSuspendedException", "SendingPausedException", "MailFromDomainNotVerifiedException", "NotFoundException"))
# MessageRejected and BadRequestException say by their words alone whom they are about. An address that is "not verified" is our sender, or a reader
# as long as the account is in the sandbox.
_NOT_VERIFIED = re.compile(r"not verified|not authori[sz]ed|authority to send|sandbox", re.IGNORECASE)
_ADDRESS = re.compile(r"address|local (?:part|name)|domain|@|recipient", re.IGNORECASE)
_TRACKING = {"Tracking": {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}}


class Ses:
    """A line to SES in the region `relay.place`. `secret` is `ID:SECRET`; without it boto3 looks for credentials in its own places.

    Raises PublisherError when there are none.
    """

    most = 1

    def __init__(self, relay: RelayEntry, secret: str | None, timeout: float) -> None:
        self._name = relay.name
        key_id, _colon, key = (secret or "").partition(":")
        if secret and not (key_id and key):
            raise PublisherError(_("the key of the relay %(name)s is not ID:SECRET", name=relay.name),
                                 remedy=_("write both halves into %(name)s, with a colon between them", name=relay_variable(relay.name)))
        session = boto3.session.Session(key_id or None, key or None)  # one of our own: the shared one is not for several threads
        if session.get_credentials() is None:
            raise PublisherError(_("the relay %(name)s has no key", name=relay.name),
                                 remedy=_("set %(name)s to ID:SECRET, or let boto3 find credentials in one of its own places",
                                          name=relay_variable(relay.name)))
        # A call that is tried again could be a second mail: the engine decides that, not the library.
        config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1, "mode": "standard"})
        self._client: Any = session.client("sesv2", region_name=relay.place, endpoint_url=relay.endpoint, config=config)

    def send(self, mails: Sequence[Mail]) -> list[Verdict]:
        """One call a mail. Raises RelayTrouble."""
        return in_turn([[mail] for mail in mails], lambda group: [self._send(group[0])])

    def _send(self, mail: Mail) -> Verdict:
        try:
            # No FromEmailAddress: it would replace From. What comes back as a mail goes to the sender of the envelope.
            answer = self._client.send_email(
                FeedbackForwardingEmailAddress=mail.sender, Destination={"ToAddresses": [mail.recipient]},
                Content={"Raw": {"Data": unsigned(mail.data)}}, ConfigurationOverrides=_TRACKING)
        except ClientError as error:
            return self._judged(error)
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise self._refuses_key(error) from error
        except SSLError as error:
            raise trouble(self._name, _("offers no trustworthy TLS: %(reason)s", reason=reason_of(error)),
                          _("check relays.endpoint and the certificates of this machine")) from error
        except (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError) as error:
            raise self._does_not_answer(error) from error
        except (ConnectionClosedError, ReadTimeoutError, HTTPClientError) as error:
            return lost(error)
        except BotoCoreError as error:
            # Whatever else the library says comes before the request: parameters, signing, credentials that could not be fetched.
            raise trouble(self._name, _("cannot be asked: %(reason)s", reason=reason_of(error)), _("check its entry in relays")) from error
        return Verdict("accepted", reason_of(answer["MessageId"]))

    def _judged(self, error: ClientError) -> Verdict:
        """What an error of SES makes of the mail. Raises RelayTrouble when it is about us."""
        said = error.response.get("Error", {})
        code, text = str(said.get("Code", "")), str(said.get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _TOO_MANY or status == 429:
            return wants_rest(code, text)
        if status >= 500:
            return lost(f"{status} {code} {text}")
        if status in (401, 403):
            raise self._refuses_key(f"{code} {text}") from error
        if code in _OURS or _NOT_VERIFIED.search(text) or status not in (400, 413):
            raise trouble(self._name, _("turns us away: %(reason)s", reason=reason_of(code, text)),
                          _("look at the account in the console of SES: verified domains (bounces too), sandbox, pauses")) from error
        return Verdict("refused", reason_of(code, text), policy=code != "BadRequestException" or not _ADDRESS.search(text))

    def _refuses_key(self, why: object) -> RelayTrouble:
        return trouble(self._name, _("refuses the key: %(reason)s", reason=reason_of(why)),
                       _("check %(name)s, and that it may ses:SendEmail", name=relay_variable(self._name)))

    def _does_not_answer(self, why: object) -> RelayTrouble:
        return trouble(self._name, _("does not answer: %(reason)s", reason=reason_of(why)), _("check the region in relays.url, and the network"),
                       passing=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

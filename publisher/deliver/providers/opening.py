"""Opens the line to a provider. Its libraries are imported here only: a process that speaks SMTP alone does without them."""

from collections.abc import Mapping

from publisher.deliver.providers.base import Provider
from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.settings_secrets import relay_variable
from publisher.settings_sending import RelayEntry


def provider_for(relay: RelayEntry, secrets: Mapping[str, str], timeout: float) -> Provider:
    """A line to the provider of a relay; `secrets` are those of all relays by their names, `timeout` is in seconds.

    Raises PublisherError when its key or its library is missing, and ValueError for a relay that is no provider.
    """
    secret = secrets.get(relay.name)
    if relay.kind == "ses":
        return _amazon(relay, secret, timeout)
    if relay.kind not in ("mailgun", "postmark"):
        raise ValueError(f"{relay.url} is no provider")
    if not secret:
        raise PublisherError(_("the relay %(name)s has no key", name=relay.name),
                             remedy=_("set %(names)s in the environment", names=relay_variable(relay.name)))
    if relay.kind == "mailgun":
        from publisher.deliver.providers.mailgun import Mailgun

        return Mailgun(relay, secret, timeout)
    from publisher.deliver.providers.postmark import Postmark

    return Postmark(relay, secret, timeout)


def _amazon(relay: RelayEntry, secret: str | None, timeout: float) -> Provider:
    try:
        from publisher.deliver.providers.ses import Ses
    except ModuleNotFoundError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        raise PublisherError(_("the relay %(name)s needs boto3, which is not installed", name=relay.name),
                             remedy="pip install 'publisher[ses]'") from error
    return Ses(relay, secret, timeout)

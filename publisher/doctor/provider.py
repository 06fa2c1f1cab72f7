"""A provider's API as a relay: whether its secret is there. What it signs and from where it sends is its own affair."""

import importlib.util

from publisher.doctor.finding import Finding, doubtful, right, wrong
from publisher.doctor.sending import shown
from publisher.i18n import _
from publisher.settings_secrets import relay_variable
from publisher.settings_sending import RelayEntry

_NAMES = {"ses": "Amazon SES", "mailgun": "Mailgun", "postmark": "Postmark"}


def judge_secret(entry: RelayEntry, *, there: bool, tools: bool = True) -> list[Finding]:
    """What to say of a provider. `tools`: what speaks to it is installed."""
    name, place = _NAMES[entry.kind], shown(entry)
    signs = right("provider-signs", _("%(name)s signs the mails and sends them from its own addresses; set the domain up there", name=name))
    if not tools:
        return [wrong("provider-tools", _("%(relay)s needs boto3, which is not installed", relay=place), _("run:"), "pip install 'publisher[ses]'"),
                signs]
    if there:
        return [right("provider-secret", _("The key for %(relay)s is there", relay=place)), signs]
    if entry.kind == "ses":
        return [doubtful("provider-secret", _("No key for %(relay)s in the environment or in ~/.aws", relay=place),
                         _("on a machine of Amazon its role may do; elsewhere run:"), "aws configure"), signs]
    return [wrong("provider-secret", _("There is no key for %(relay)s", relay=place), _("set in the environment:"),
                  f"{relay_variable(entry.name)}=…"), signs]


def aws_key_there() -> bool:
    """Whether the AWS tools find a key, without asking the network for a role."""
    import botocore.session  # there with boto3 only

    session = botocore.session.Session()
    # The role of a machine or a container is asked of 169.254.x.x: nothing inside the network is fetched from here.
    for asking in ("iam-role", "container-role"):
        session.get_component("credential_provider").remove(asking)
    return session.get_credentials() is not None


def examine_provider(entry: RelayEntry, secret: str | None) -> list[Finding]:
    """One provider."""
    if entry.kind != "ses":
        return judge_secret(entry, there=bool(secret))
    tools = importlib.util.find_spec("boto3") is not None
    return judge_secret(entry, there=tools and aws_key_there(), tools=tools)

"""What `publisher check` says of the parts that are about readers: settings that are well written, and would not do what they seem to."""

from pathlib import Path
from urllib.parse import urlsplit

from publisher.errors import Problem
from publisher.i18n import _
from publisher.settings import Settings
from publisher.settings_file import line_of
from publisher.settings_sending import is_loopback
from subscribers.mailbox.recipients import ACTS, TAKEN


def reader_problems(path: Path, text: str, settings: Settings) -> list[Problem]:
    """One line for each thing that would not work."""
    return [*_mail(path, text, settings), *_names(path, text, settings), *_site(path, text, settings)]


def _mail(path: Path, text: str, settings: Settings) -> list[Problem]:
    inbound = settings.inbound
    if (inbound.listen or inbound.imap) and not (inbound.domain or settings.mail.bounce_domain):
        key = "listen" if inbound.listen else "imap"
        return [Problem(str(path), _("mail comes in, and there is no domain for it"), line_of(text, ("inbound", key)),
                        _("set inbound.domain, as docs/mailbox.md says"))]
    return []


def _names(path: Path, text: str, settings: Settings) -> list[Problem]:
    """Lists whose mail addresses would be another list's, or somebody else's."""
    names = {entry.name.lower() for entry in settings.lists}
    problems = []
    for index, entry in enumerate(settings.lists):
        head, _dash, act = entry.name.lower().rpartition("-")
        if (act in ACTS and head in names) or entry.name.lower() in TAKEN:
            problems.append(Problem(str(path), _("the list %(name)s has the name of a mail address that does something else", name=entry.name),
                                    line_of(text, ("lists", index, "name")), _("give it another name before readers join it")))
    return problems


def _site(path: Path, text: str, settings: Settings) -> list[Problem]:
    problems = []
    site = urlsplit(settings.site.url)
    if site.scheme == "http" and not is_loopback(site.hostname or ""):
        problems.append(Problem(str(path), _("site.url begins with http://, and leaving by one click works over https:// only"),
                                line_of(text, ("site", "url")), _("RFC 8058 wants it: put a certificate in front and write https://")))
    refused = settings.signup.refused_domains
    if refused and not settings.place(refused).is_file():
        problems.append(Problem(str(path), _("the file %(file)s is not there", file=refused), line_of(text, ("signup", "refused_domains")),
                                _("make it, or correct the path")))
    for topic in settings.hooks.ses_topics:
        if not topic.startswith(("arn:aws:sns:", "arn:aws-cn:sns:", "arn:aws-us-gov:sns:")):
            problems.append(Problem(str(path), _("“%(topic)s” is no SNS topic", topic=topic), line_of(text, ("hooks", "ses_topics")),
                                    _("it begins with arn:aws:sns:")))
    return problems

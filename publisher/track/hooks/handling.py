"""One message of a provider, from proof to effect: the same message twice counts once, and so does the same event in two messages."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import httpx

from publisher.db import Database
from publisher.models_mail import Received
from publisher.settings import Settings
from publisher.text.strike import without_addresses
from publisher.tokens import Keys
from publisher.track.apply import apply
from publisher.track.hooks import mailgun, postmark, resend, sendgrid, ses
from publisher.track.hooks.proof import Call, CannotTell, Fetch, Reading, Told
from publisher.track.matching import Who, who, who_is
from publisher.track.report import Report, evidence_of, evidence_of_mail
from subscribers.mailbox.classify import classify
from subscribers.registry.writing import insert_absent

PROVIDERS = ("ses", "mailgun", "postmark", "sendgrid", "resend")
_TIMEOUT = 10.0
_LARGEST = 64 * 1024
_LONGEST_MARK = 2000


def fetched(url: str) -> bytes:
    """What stands at an address of Amazon's. Redirects are not followed: only that address was checked. Raises httpx.HTTPError."""
    answer = httpx.get(url, timeout=_TIMEOUT, follow_redirects=False)
    answer.raise_for_status()
    return answer.content[:_LARGEST]


class Hooks:
    """The providers that may report here: those whose secret is known, and SES where topics are named.

    Raises PublisherError for a secret that is none.
    """

    def __init__(self, database: Database, settings: Settings, keys: Keys, secrets: Mapping[str, str], fetch: Fetch = fetched) -> None:
        self._database, self._settings, self._keys, self._fetch = database, settings, keys, fetch
        self._secrets = dict(secrets)
        self._certificates = ses.Certificates(fetch)
        self._sendgrid = sendgrid.public_key(secrets["sendgrid"]) if "sendgrid" in secrets else None
        self._resend = resend.secret(secrets["resend"]) if "resend" in secrets else None

    def is_open(self, provider: str) -> bool:
        """Whether this provider may report."""
        return bool(self._settings.hooks.ses_topics) if provider == "ses" else provider in PROVIDERS and provider in self._secrets

    def take(self, provider: str, call: Call) -> Literal["taken", "seen"]:
        """Take one message: check, read, apply, remember. Raises NoProof, CannotTell, WrongContent; nothing was changed then."""
        reading = self._read(provider, call)
        digest = hashlib.sha256(f"hook {provider} {reading.mark}".encode()).hexdigest()
        with self._database.reading() as session:
            if session.get(Received, digest) is not None:
                return "seen"
        if reading.visit is not None:
            self._visit(reading.visit)
        # Each event is a transaction of its own and counts once, so that a message that broke in the middle can come again.
        for told in reading.told:
            apply(self._database, self._settings, self._keys, self._report(provider, told), call.now)
        with self._database.writing() as session:
            insert_absent(session, Received, [{"digest": digest, "outcome": f"hook {provider}", "at": call.now}])
        return "taken"

    def _read(self, provider: str, call: Call) -> Reading:
        if provider == "ses":
            return ses.read(call, self._settings.hooks.ses_topics, self._certificates)
        if provider == "sendgrid" and self._sendgrid is not None:
            return sendgrid.read(call, self._sendgrid)
        if provider == "resend" and self._resend is not None:
            return resend.read(call, self._resend)
        return (mailgun if provider == "mailgun" else postmark).read(call, self._secrets[provider])

    def _visit(self, url: str) -> None:
        try:
            self._fetch(url)
        except Exception as error:  # whatever the network does: Amazon asks again
            raise CannotTell("the subscription could not be confirmed") from error

    def _report(self, provider: str, told: Told) -> Report:
        """A report about one of ours: by our own marks first, by the address that the provider names last."""
        if told.kind == "bounce" and not told.strength:
            told = replace(told, strength=classify("", told.reason))
        found = who(self._keys, envelope=_text(told.envelope), message_id=_text(told.message_id), unsubscribe=_text(told.unsubscribe))
        if found is None and told.kind != "arrived" and (address := _text(told.address)):
            with self._database.reading() as session:
                person = who_is(session, address)
            found = Who(subscriber_id=person) if person is not None else None
        report = Report(kind=told.kind, strength=told.strength, source=provider, evidence=evidence_of(provider, told.mark), at=told.at,  # type: ignore[arg-type]
                        reason=without_addresses(told.reason))
        if found is None:
            return report
        if found.issue_id is not None or found.notice_id is not None:
            # The same bounce may come back as a mail as well: it counts once.
            report = replace(report, evidence=evidence_of_mail(report.kind, report.strength, issue_id=found.issue_id, notice_id=found.notice_id,
                                                               subscriber_id=found.subscriber_id))
        return replace(report, subscriber_id=found.subscriber_id, issue_id=found.issue_id, notice_id=found.notice_id)


def _text(value: object) -> str | None:
    """A text of a reasonable length; what else a provider may write there names nobody."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_MARK else None

"""What relays say, and what comes of it: the table that docs/answers.md shows (`python -m tests.answers` writes it) and the tests go through."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PAGE = Path(__file__).parent.parent / "docs" / "answers.md"
Kind = Literal["accepted", "refused", "held", "deferred", "rest", "us", "elsewhere"]
Pause = Literal["", "relay", "receivers"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: to which verb, its words, where they are from, what comes of it, and who is given a pause of ten minutes."""

    verb: str
    said: str
    source: str
    kind: Kind
    pause: Pause = ""
    again: bool = False
    domain: str = "example.jp"

    @property
    def code(self) -> int:
        """Its code."""
        return int(self.said[:3])

    @property
    def text(self) -> str:
        """Its words."""
        return self.said[4:]


def _to(verb: str, kind: Kind, *answers: tuple[str, str], pause: Pause = "", again: bool = False, domain: str = "example.jp") -> list[Answer]:
    return [Answer(verb, said, source, kind, pause, again, domain) for said, source in answers]


GREETING = [
    *_to("CONNECT", "us", ("554 5.7.1 no service for you", "RFC 5321 3.1"), ("521 this host takes no mail", "RFC 7504"),
         ("550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus. AS(1440)", "Microsoft"),
         ("553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", "Yahoo")),
    *_to("CONNECT", "elsewhere", ("421 4.7.0 too many connections from 192.0.2.1", "Postfix"), ("421 4.3.2 Service not available", "Microsoft"),
         ("450 4.3.2 come back later", "RFC 3463"), ("421 Too many concurrent SMTP connections; please try again later.", "Exim")),
    *_to("EHLO", "us", ("550 5.7.1 your name is not yours", "RFC 5321 4.1.4"), ("504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "Postfix")),
    *_to("AUTH", "us", ("535 5.7.8 no", "RFC 4954 6"), ("534 5.7.9 mechanism too weak", "RFC 4954 6"), ("454 4.7.0 temporary authentication failure", "RFC 4954 6")),
]
MAIL = [
    *_to("MAIL", "us", ("550 5.7.1 sender not allowed", "RFC 5321 4.3.2"), ("553 5.1.7 bad sender address syntax", "RFC 3463"),
         ("501 5.1.7 bad sender address syntax", "Postfix"), ("530 5.7.0 login first", "RFC 4954"), ("503 5.5.1 nested MAIL command", "RFC 5321 4.3.2"),
         ("500 5.5.2 what?", "RFC 5321 4.2.3"), ("502 5.5.1 not implemented", "RFC 5321 4.2.3"), ("504 5.5.4 parameter not implemented", "RFC 5321 4.2.3"),
         ("555 5.5.4 parameters not recognized", "RFC 5321 4.3.2"), ("551 5.7.1 no", "RFC 5321 4.2.3"), ("554 5.7.1 no", "RFC 5321 4.2.3"),
         ("550 5.7.515 Access denied, sending domain paper.example does not meet the required authentication level", "Microsoft"),
         ("550 5.1.8 Sender address rejected: Domain not found", "Postfix"), ("530 5.7.57 Client not authenticated to send mail", "Microsoft")),
    *_to("MAIL", "deferred", ("450 4.1.8 Sender address rejected: Domain not found", "Postfix"), ("451 4.3.0 local error", "RFC 5321 4.3.2"),
         ("452 4.3.1 Insufficient system storage", "RFC 5321 4.3.2"), ("455 4.5.0 unable to take parameters", "RFC 5321 4.3.2"),
         ("552 5.3.1 no room", "RFC 5321 4.5.3.1.10"), ("432 4.7.12 password transition needed", "RFC 4954")),
    *_to("MAIL", "rest", ("421 4.3.2 Service shutting down", "RFC 5321 3.8"), ("421 4.4.2 relay.example.net Error: timeout exceeded", "Postfix")),
    *_to("MAIL", "rest", ("421 4.7.0 Try again later, closing connection. gsmtp", "Gmail"),
         ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", "Yahoo"), pause="relay"),
    *_to("MAIL", "deferred", ("454 4.7.1 Throttling failure: Maximum sending rate exceeded", "Amazon SES"), ("450 4.7.1 Error: too much mail from 192.0.2.1", "Postfix"),
         pause="relay"),
]
RCPT = [
    *_to("RCPT", "refused", ("550 5.1.1 <{}>: Recipient address rejected: User unknown in local recipient table", "Postfix"),
         ("550-5.1.1 The email account that you tried to reach does not exist.", "Gmail"), ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", "Microsoft"),
         ("550 5.4.1 Recipient address rejected: Access denied", "Microsoft"), ("550 Unknown user {}", "docomo"), ("550 <{}>: User unknown", "KDDI"),
         ("550 Invalid recipient: <{}>", "SoftBank"), ("551 5.1.6 User not local; please try elsewhere", "RFC 5321 3.4"), ("553 5.1.3 mailbox name not allowed", "RFC 5321 4.3.2"),
         ("501 5.1.3 Bad recipient address syntax", "Postfix"), ("556 5.1.10 Recipient address has null MX", "RFC 7504"), ("550 5.2.1 The email account is disabled", "Gmail"),
         ("550 5.2.2 mailbox full", "RFC 3463"), ("550 5.1.2 Recipient address rejected: Domain not found", "Postfix"), ("550 Unrouteable address", "Exim"),
         ("500 5.5.2 what?", "RFC 5321 4.2.3"), ("502 5.5.1 not implemented", "RFC 5321 4.2.3"), ("503 5.5.1 bad sequence of commands", "RFC 5321 4.3.2"),
         ("504 5.5.4 parameter not implemented", "RFC 5321 4.2.3"), ("555 5.5.4 parameters not recognized", "RFC 5321 4.3.2"), ("554 5.0.0 transaction failed", "RFC 5321 4.2.3"),
         ("550 5.1.1 <{}>: User unknown in relay recipient table", "Postfix")),
    *_to("RCPT", "held", ("554 5.7.1 <{}>: Relay access denied", "Postfix"), ("550 relay not permitted", "Exim"),
         ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "qmail"), ("550 5.7.1 Unable to relay", "Microsoft"),
         ("530 5.7.0 Must issue a STARTTLS command first", "RFC 3207"), ("550 authentication required", "Exim"), ("535 5.7.8 authentication failed", "RFC 4954"),
         ("538 5.7.11 encryption required", "RFC 4954"), ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "Postfix"),
         ("550 Sender verify failed", "Exim"), ("550 5.1.8 <news@paper.example>: Sender address rejected: Domain not found", "Postfix"),
         ("553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred", "Yahoo"), ("550 Administrative prohibition", "Exim")),
    *_to("RCPT", "deferred", ("450 4.2.0 <{}>: Recipient address rejected: Greylisted", "Postfix"), ("450 4.2.1 mailbox busy", "RFC 5321 4.3.2"),
         ("451 4.3.0 local error", "RFC 5321 4.3.2"), ("452 4.2.2 The email account that you tried to reach is over quota", "Gmail"),
         ("452 4.5.3 too many recipients", "RFC 5321 4.5.3.1.10"), ("455 4.5.0 unable to take parameters", "RFC 5321 4.3.2"),
         ("552 5.2.2 mailbox full", "RFC 5321 4.5.3.1.10"), ("450 4.1.2 <{}>: Recipient address rejected: Domain not found", "Postfix"),
         ("454 4.7.0 temporary authentication failure", "RFC 4954"), ("450 4.1.1 <{}>: unverified address: Address verification in progress", "Postfix"),
         ("450 mailbox unavailable", "SoftBank")),
    *_to("RCPT", "rest", ("421 4.3.2 Service shutting down", "RFC 5321 3.8")),
    *_to("RCPT", "rest", ("421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address. gsmtp", "Gmail"),
         pause="receivers", domain="gmail.com"),
    *_to("RCPT", "rest", ("421 4.7.0 too many sessions from you", "KDDI"), pause="relay", domain="au.com"),
    *_to("RCPT", "deferred", ("451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. (S775)", "Microsoft"),
         pause="receivers", domain="outlook.com"),
    *_to("RCPT", "accepted", ("550 5.7.1 message already received", "a relay that keeps Message-IDs"), again=True),
]
DATA = [
    *_to("DATA", "held", ("554 5.5.1 no valid recipients", "RFC 5321 4.3.2"), ("503 5.5.1 bad sequence of commands", "RFC 5321 4.3.2"), ("500 5.5.2 what?", "RFC 5321 4.2.3"),
         ("502 5.5.1 not implemented", "RFC 5321 4.2.3"), ("550 5.7.1 no", "RFC 5321 4.3.2"), ("554 5.7.1 no", "RFC 5321 4.3.2")),
    *_to("DATA", "deferred", ("450 4.3.2 system not accepting messages", "RFC 5321 4.3.2"), ("451 4.3.0 later", "RFC 5321 4.3.2"), ("452 4.3.1 Insufficient system storage", "RFC 5321 4.3.2")),
    *_to("DATA", "rest", ("421 4.3.2 Service shutting down", "RFC 5321 3.8")),
]
WHOLE = [
    *_to(".", "accepted", ("250 2.0.0 Ok: queued as 4Xy", "Postfix"), ("250 OK id=1abc", "Exim"), ("251 will forward", "RFC 5321 4.2.3"), ("252 2.0.0 taken", "RFC 5321 4.2")),
    *_to(".", "held", ("550-5.7.26 Unauthenticated email from paper.example is not accepted due to domain's DMARC policy.", "Gmail"),
         ("550 5.7.1 This message is not RFC 5322 compliant: duplicate Message-ID headers. gsmtp", "Gmail"), ("550 5.7.25 The sending IP address has no PTR record. gsmtp", "Gmail"),
         ("550 5.7.27 SPF did not pass. gsmtp", "Gmail"), ("550 5.7.29 not sent over a TLS connection. gsmtp", "Gmail"), ("550 5.7.30 DKIM did not pass. gsmtp", "Gmail"),
         ("550 5.7.40 no DMARC record. gsmtp", "Gmail"), ("554 5.7.9 Message not accepted for policy reasons", "Yahoo"), ("554 Invalid Subject header", "Yahoo"),
         ("550 5.7.515 Access denied, sending domain paper.example does not meet the required authentication level", "Microsoft"),
         ("554 5.6.0 not like this", "RFC 3463"), ("554 transaction failed", "RFC 5321 4.3.2"), ("552 5.3.4 Message size exceeds fixed limit", "RFC 5321 4.3.2"),
         ("550 5.2.3 Message too large", "RFC 3463"), ("554 delivery error: dd This user doesn't have a yahoo.com account", "Yahoo"), ("550 5.6.7 needs SMTPUTF8", "RFC 6531"),
         ("571 5.7.1 spam", "an old gateway")),
    *_to(".", "refused", ("550 5.1.1 User unknown", "a relay that asks its own while we wait"), ("552 5.2.2 The email account that you tried to reach is over quota", "Gmail")),
    *_to(".", "deferred", ("451 4.4.1 no answer from host", "RFC 5321 4.3.2"), ("452 4.3.1 Insufficient system storage", "RFC 5321 4.3.2"), ("450 4.2.0 later", "RFC 5321 4.3.2")),
    *_to(".", "deferred", *((f"451 4.7.{code} Email from paper.example was deferred: authentication is missing. gsmtp", "Gmail") for code in (23, 24, 25, 26, 27, 29, 30, 31, 32))),
    *_to(".", "deferred", ("450 4.7.28 Our system has detected an unusual rate of mail. gsmtp", "Gmail"), pause="receivers", domain="gmail.com"),
    *_to(".", "deferred", ("451 4.7.1 too many messages, slow down", "a relay"), pause="relay"),
    *_to(".", "rest", ("421 4.7.28 messages that have the same Message-ID. gsmtp", "Gmail"), pause="receivers", domain="gmail.com"),
    *_to(".", "rest", ("421 4.4.2 connection dropped", "RFC 3463")),
    *_to(".", "accepted", ("554 5.7.1 message already received", "a relay that keeps Message-IDs"), ("450 4.0.0 duplicate message, already queued", "a relay that keeps Message-IDs"),
         again=True),
]
TABLE = [*MAIL, *RCPT, *DATA, *WHOLE]

HEADINGS = {"CONNECT": "The greeting", "EHLO": "Our name", "AUTH": "The login", "MAIL": "The sender (MAIL FROM)", "RCPT": "The reader (RCPT TO)",
            "DATA": "DATA", ".": "The whole mail"}
ROW = {"accepted": "`accepted`", "refused": "`refused`, for good", "held": "`refused`, if it was the reader's own (see below)", "deferred": "`deferred`, tried again",
       "rest": "`deferred`, tried again", "us": "`queued` as before; the run ends and says why", "elsewhere": "`queued` as before; sent over connections that are open, or later"}
LINE = {"accepted": "goes on", "refused": "goes on", "held": "goes on", "deferred": "goes on", "rest": "is left; a new one after 2, 10, 30 s", "us": "is left",
        "elsewhere": "is not made; tried three times"}
PAUSES = {"": "", "relay": "the relay", "receivers": "these receivers"}

TOP = """\
# What relays answer, and what we do

Every answer of a mail server has a code of three digits, mostly a second one (`5.1.1`, RFC 3463), and words. This page says for each answer that the standards or the large
receivers name what the reader's row says afterwards (`publisher issues show ID`) and what happens to the connection. It is made from the table that the tests
go through (`python -m tests.answers`). The reason in a row is the relay's own sentence, without addresses.

| the row says | that means |
|---|---|
| `accepted` | the relay took the mail; more is not known |
| `refused` | it is not tried again in this issue. Whether the address is to be mailed at all is decided from what comes back, not here |
| `deferred` | tried again after 5 minutes, then 15, 45, 2 hours, 4 hours (each up to a fifth later), until `mail.retry_for` is over; then `refused`, "gave up: …" |
| `unknown` | the whole mail had left, and no answer came: sent again with the same Message-ID, or held, as `newsletters.on_unknown` has it |
| `queued` | nothing of the mail has left |

**"If it was the reader's own"**: answers about relaying, logins, senders, blocking lists and policy, and all refusals of the mail itself, may be about us. They are held back until the relay
takes another mail of the run: then the reader's row is `refused`. Ten of them in a row are our trouble: the issue is paused, the relay's sentence is shown and mailed to the
operator, and the rows are `deferred`. So they are after a run of an issue of which nothing was taken yet.

**"Is left"** after 421: the mail is `deferred`, and no connection is used for 2 seconds (10, then 30, when it is said again before a mail was taken; a fourth time ends the run). On a connection
that has carried mails, 421 to MAIL, RCPT or DATA that is not about our pace means that it has carried its share (Exim: "too many messages in this connection"): the mail takes
another connection at once, and nobody waits.

**Pause**: answers about how much we send give the relay, or the receivers alone, ten minutes ([relays.md](relays.md)). Mails that wait for it are `queued` rows with a moment and the
reason "NAME asked for a rest".

Codes that no standard knows are read by their first digit (RFC 5321 section 4.2). Of an answer of several lines the last line's code counts, and all words. A code that begins with
anything but 2 to 5 is no SMTP: the connection is left.
"""
END = """
## No answer

| what happens | the reader's row | the connection |
|---|---|---|
| it closes before the last byte of the mail has left, once | sent at once over another connection | a new one |
| the same again with the same mail, or twice on a fresh connection at its envelope | `deferred`: "the connection was lost twice" | a new one |
| it closes after some mails without a word, between two of them (Yahoo) | nothing: the next mail takes another connection | a new one |
| it closes, or is silent for `mail.timeout`, after the last byte | `unknown`: "no answer after the last byte: …" | a new one |
| it is silent for `mail.timeout` earlier | as if it had closed | a new one |
| it says 421 unasked, or anything else, and the next mail's envelope is on its way | as if it had closed | a new one |
| it says what is no SMTP, or "taken" before all of the mail has left | as if it had closed | a new one |
| it refuses the mail before all of it has left, and closes | as the answer says | a new one |
| it does not answer at all | `queued`; tried three times, then the run ends, and the service tries again later | |

Quotes: an address such as `"ken..a"@docomo.ne.jp` that is refused with 501 or 553 is asked for once more without them.
"""


def page() -> str:
    """docs/answers.md."""
    parts = [TOP]
    verb = ""
    for answer in [*GREETING, *TABLE]:
        if answer.verb != verb:
            verb = answer.verb
            parts.append(f"\n## {HEADINGS[verb]}\n\n| the relay says | as in | the reader's row | the connection | pause |\n|---|---|---|---|---|\n")
        again = " (to a mail whose answer was lost before)" if answer.again else ""
        words = answer.said.replace("{}", "<…>").replace("<<…>>", "<…>")
        parts.append(f"| `{words}`{again} | {answer.source} | {ROW[answer.kind]} | {LINE[answer.kind]} | {PAUSES[answer.pause]} |\n")
    return "".join([*parts, END])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

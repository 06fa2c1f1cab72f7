"""What a relay's answer means: pure, by the verb it answers to, its code and its words. docs/answers.md has a row for each."""

import re
from typing import Literal

from publisher.deliver.verdict import Verdict
from publisher.text.strike import without_addresses

# RFC 5321 section 4.3.2; "." is the answer to the whole mail.
Verb = Literal["MAIL", "RCPT", "DATA", "."]

_LONGEST_REASON = 300
_LONGEST_ANSWER = 2000
# RFC 3463 section 3.8: security and policy, and 5.1.7 and 5.1.8, the sender's address; Exim and qmail say it without a code. Postfix waits with all
# of it until RCPT (smtpd_delay_reject).
_POLICY = re.compile(r"\b5\.7\.\d|\b5\.1\.[78]\b|relay|rcpthosts|authenticat|\bsender|\bpolicy|prohibit|"
                     r"\bblock(?:ed|list)|black ?list|\bd?nsbl\b|\brbl\b|\bspam|reputation", re.IGNORECASE)
# 5.1.0 is said of senders as well, 5.2.3 of a mail that is too large for anybody.
_NO_SUCH_READER = re.compile(r"\b5\.1\.(?:[1-6]|10)\b|\b5\.2\.[0-24]\b")
_LOGIN_WANTED = (530, 535, 538)
# A server that keeps the Message-IDs of what it took says so when a mail comes again whose answer was lost: then it was taken.
_DUPLICATE = re.compile(r"\bduplicate (?:message|mail|delivery)\b(?!-id)|\bmessage-id .{0,40}already|already (?:received|accepted|delivered|queued)",
                        re.IGNORECASE)


def said(code: int, answer: bytes | str) -> str:
    """What a relay said, on one line and without any address: outcomes hold none."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    # Most answers are short, ASCII and name nobody: "2.0.0 Ok: queued as 4Xy".
    if len(text) < _LONGEST_REASON - 4 and "@" not in text and "<" not in text and text.isascii() and text.isprintable():
        return f"{code} {text}".rstrip()
    return f"{code} {without_addresses(' '.join(text.split())[:_LONGEST_ANSWER])}"[:_LONGEST_REASON].rstrip()


def judged(verb: Verb, code: int, answer: bytes | str, *, again: bool = False) -> Verdict:
    """What an answer to `verb` makes of the mail it was about.

    A sender that is refused for good (5xx to MAIL) is nobody's verdict: `refuses_us` says so, and asking comes first. With `again` the mail was
    on the wire before and its answer was lost: then "I have that one" means that it was taken.
    """
    reason = said(code, answer)
    if 200 <= code < 300 and verb == ".":
        return Verdict("accepted", reason)
    if again and code >= 400 and _DUPLICATE.search(reason):
        return Verdict("accepted", reason)
    # RFC 5321 section 4.5.3.1.10: 552 at RCPT was written for "too many", and is to be read as temporary.
    if code < 500 or (code == 552 and verb in ("MAIL", "RCPT")):
        return Verdict("deferred", reason, closing=code == 421)
    policy = code in _LOGIN_WANTED or (not _NO_SUCH_READER.search(reason) and (verb in ("DATA", ".") or bool(_POLICY.search(reason))))
    return Verdict("refused", reason, policy=policy)


def refuses_us(verb: Verb, code: int) -> bool:
    """Whether this is about us and no reader: a sender the relay does not take, or a login it wants first (RFC 4954 section 6)."""
    return verb == "MAIL" and code >= 500 and code != 552


def lost(reason: str) -> Verdict:
    """The verdict on a mail that had left as a whole when the connection ended (RFC 5321 section 6.1)."""
    return Verdict("unknown", f"no answer after the last byte: {reason}"[:_LONGEST_REASON], closing=True)

"""When a mail is not answered: RFC 3834 and what programs do that never read it."""

import pytest

from subscribers.mailbox.reading import address_in, read
from subscribers.mailbox.replies import answerable, answers_by_itself, came_back, is_authenticated, is_role, refers_to, silence

HANAKO = "hanako@example.jp"
TRUSTED = ("mx.example.jp",)


def mail(*headers: str, sender: str = HANAKO) -> bytes:
    return "\r\n".join([f"From: Hanako <{sender}>", *headers, "", "登録", ""]).encode()


@pytest.mark.parametrize(("header", "why"), [
    ("Auto-Submitted: auto-replied", "automatic"), ("Auto-Submitted: auto-generated (by cron)", "automatic"), ("auto-submitted: Auto-Notified; x=1", "automatic"),
    ("Precedence: bulk", "precedence"), ("Precedence: LIST", "precedence"), ("Precedence: junk", "precedence"),
    ("List-Id: <x.example.com>", "list"), ("List-Unsubscribe: <https://x.example>", "list"), ("LIST-POST: NO", "list"),
    ("X-Auto-Response-Suppress: All", "suppress"), ("X-Auto-Response-Suppress: DR, OOF, AutoReply", "suppress"), ("X-Loop: daily@lists.example.jp", "loop"),
    ("X-Autoreply: yes", "automatic"), ("X-Autorespond: vacation", "automatic"), ("X-AutoReply-From: x@example.jp", "automatic"),
    ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "report"),
    ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "report"),
    ("Subject: =?utf-8?b?6Ieq5YuV6L+U5L+h77ya44GU6YCj57Wh44GC44KK44GM44Go44GG44GU44GW44GE44G+44GZ?=", "automatic"),
    ("Subject: 【不在】Re: ご登録の確認", "automatic"), ("Subject: 不在のため対応できません", "automatic"), ("Subject: 自動応答: 出張中", "automatic"),
    ("Subject: Automatic reply: Please confirm", "automatic"), ("Subject: Out of Office: until Monday", "automatic"),
    ("Subject: AUTO-REPLY", "automatic"), ("Subject: Automatische Antwort: x", "automatic"), ("Subject: Réponse automatique : x", "automatic")])
def test_a_machine_is_not_answered(header: str, why: str) -> None:
    """Each of these stops the answer, and a note of absence stops a confirmation."""
    assert silence(read(mail(header)), HANAKO) == why


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "Auto-Submitted: no (a person wrote this)", "Precedence: first-class", "Priority: urgent", "Subject: 登録",
                                    "Subject: Re: Please confirm: Example Morning", "Subject: Re: 登録の確認をお願いします", "X-Mailer: Outlook", "Subject: 在庫の件"])
def test_a_person_is_answered(header: str) -> None:
    assert silence(read(mail(header)), HANAKO) is None


def test_the_null_sender_is_never_answered() -> None:
    """RFC 5321 section 4.5.5: what bears it is a report, and its answer would come back."""
    assert silence(read(mail()), "") == "null-sender"


@pytest.mark.parametrize("who", ["MAILER-DAEMON", "mailer-daemon@example.jp", "Postmaster@example.jp", "owner-list@example.jp", "list-request@example.jp",
                                 "daily-bounces@example.jp", "daily-bounces+x=y@example.jp", "daily-owner@example.jp", "bounce@example.jp", "noreply@example.jp",
                                 "do-not-reply@example.jp", "no-reply@example.jp"])
def test_roles_are_not_answered(who: str) -> None:
    """Neither in the envelope nor in From."""
    assert silence(read(mail()), who) == "role-sender"
    if "@" in who:
        assert silence(read(mail(sender=who)), HANAKO) == "role-sender"


@pytest.mark.parametrize("who", ["hanako@example.jp", "requested@example.jp", "ownership@example.jp", "bouncer@example.jp", "a-request-b@example.jp"])
def test_people_whose_names_look_like_roles_are_people(who: str) -> None:
    assert not is_role(who)


def test_the_answer_goes_to_the_author_whom_the_envelope_names_too() -> None:
    """Anything else may be forged: an answer would be unasked-for mail to a stranger."""
    found = answerable(read(mail()), HANAKO, ())
    assert found is not None
    assert found.typed == HANAKO
    assert answerable(read(mail()), "Hanako@EXAMPLE.JP", ()) is not None
    assert answerable(read(mail()), "taro@example.jp", ()) is None
    assert answerable(read(mail()), "", ()) is None
    assert answerable(read(mail()), None, ()) is None


@pytest.mark.parametrize("headers", [["From: taro@example.jp"], ["Sender: x@example.jp", "From: <taro@example.jp>, <hanako@example.jp>"]])
def test_several_authors_are_nobody(headers: list[str]) -> None:
    """Two From headers, or two addresses in one."""
    data = mail(*headers) if len(headers) == 1 else ("\r\n".join(headers) + "\r\n\r\nx").encode()
    assert read(data).author is None


RESULTS = "Authentication-Results: "


@pytest.mark.parametrize("results", [
    "mx.example.jp; dmarc=pass header.from=example.jp", "mx.example.jp; dmarc=pass (p=none dis=none) header.from=example.jp",
    "mx.example.jp; spf=pass smtp.mailfrom=hanako@example.jp", "mx.example.jp; dkim=pass header.d=example.jp", "MX.example.jp 1; dkim=pass header.i=@example.jp",
    "mx.example.jp; spf=fail smtp.mailfrom=other.example; dkim=pass (2048-bit key) header.d=example.jp header.s=s1"])
def test_a_trusted_server_may_vouch_for_the_author(results: str) -> None:
    """RFC 8601: DMARC, or DKIM or SPF for the domain of From."""
    found = read(mail(RESULTS + results))
    assert is_authenticated(found, TRUSTED)
    assert answerable(found, "bounce-1234@sender.example", TRUSTED) is not None


@pytest.mark.parametrize("results", [
    "mx.evil.example; dmarc=pass header.from=example.jp", "mx.example.jp; dmarc=fail header.from=example.jp", "mx.example.jp; none",
    "mx.example.jp; dmarc=pass header.from=evil.example", "mx.example.jp; dkim=pass header.d=evil.example", "mx.example.jp; dkim=pass header.d=jp",
    "mx.example.jp; spf=pass smtp.mailfrom=x@evil.example", "mx.example.jp; auth=pass smtp.auth=hanako", "mx.example.jp; spf=softfail smtp.mailfrom=example.jp",
    "mx.example.jp;;;", "", "(((", "mx.example.jp; dkim=pass header.d=notexample.jp", "mx.example.jp.evil.example; dmarc=pass header.from=example.jp",
    "mx.example.jp; dmarc=pass (header.from=example.jp) header.from=evil.example"])
def test_nobody_else_may_vouch(results: str) -> None:
    """Untrusted names, other domains, and results that are none."""
    found = read(mail(RESULTS + results))
    assert not is_authenticated(found, TRUSTED)
    assert answerable(found, "taro@example.jp", TRUSTED) is None


def test_only_the_topmost_result_of_a_trusted_server_counts() -> None:
    """What stands below was in the mail when it came: a forger writes our server's name as well."""
    forged = RESULTS + "mx.example.jp; dmarc=pass header.from=example.jp"
    assert not is_authenticated(read(mail(RESULTS + "mx.example.jp; dmarc=fail header.from=example.jp", forged)), TRUSTED)
    assert not is_authenticated(read(mail(RESULTS + "mx.example.jp; (((", forged)), TRUSTED)
    assert is_authenticated(read(mail(RESULTS + "other.example; dmarc=fail header.from=example.jp", forged)), TRUSTED)


def test_nobody_is_trusted_by_default() -> None:
    assert not is_authenticated(read(mail(RESULTS + "mx.example.jp; dmarc=pass header.from=example.jp")), ())


def test_an_encoded_word_holds_no_address() -> None:
    """RFC 2047 section 5: what a server checked was the bare text, and an address hidden in a name is another one."""
    data = b"From: evil@example.jp =?utf-8?q?=3Chanako=40example=2Ejp=3E?=\r\n\r\nx"
    assert read(data).author is None


@pytest.mark.parametrize(("value", "address"), [
    ("hanako@example.jp", "hanako@example.jp"), ("Hanako <hanako@example.jp>", "hanako@example.jp"), ('"Yamada, Hanako" <hanako@example.jp>', "hanako@example.jp"),
    ("Yamada, Hanako <hanako@example.jp>", "hanako@example.jp"), ("taro@example.jp <hanako@example.jp>", "hanako@example.jp"),
    ("hanako@example.jp (Hanako)", "hanako@example.jp"), ('"<taro@example.jp>" <hanako@example.jp>', "hanako@example.jp"),
    ('"a..b"@docomo.ne.jp', "a..b@docomo.ne.jp"), ("<a..b@docomo.ne.jp>", "a..b@docomo.ne.jp"),
    ("<hanako@example.jp>, <taro@example.jp>", None), ("hanako@example.jp, taro@example.jp", None), ("", None), ("Hanako", None), ("<>", None)])
def test_the_one_address_of_a_header(value: str, address: str | None) -> None:
    found = address_in(value)
    assert (found.typed if found else None) == address


def test_a_report_is_told_from_what_a_provider_sends() -> None:
    """The address with a token is used by programs; only what answers or reports is no wish to leave."""
    generated = read(mail("Auto-Submitted: auto-generated"))
    assert not answers_by_itself(generated)
    assert not came_back(generated, "")
    assert answers_by_itself(read(mail("Auto-Submitted: auto-replied")))
    assert came_back(read(mail("Content-Type: multipart/report; boundary=b")), HANAKO)
    assert came_back(read(mail(sender="MAILER-DAEMON@example.jp")), "")


def test_an_answer_to_one_of_our_mails_is_known_by_its_references() -> None:
    found = read(mail("References: <a@x.example> <tok@news.example.jp>"))
    assert refers_to(found, {"news.example.jp"})
    assert refers_to(read(mail("In-Reply-To: <tok@News.Example.JP>")), {"news.example.jp"})
    assert not refers_to(found, {"example.jp"})

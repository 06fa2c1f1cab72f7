"""When nothing is answered and nothing done: a machine wrote, a sender is not proved, a loop would begin (RFC 3834). One test for each rule."""

import pytest

from publisher.db import Database
from tests.inbound import DOMAIN, HELP, REQUEST, SUBSCRIBE, UNSUBSCRIBE, Inbox, written
from tests.readers import HANAKO, TARO, state_of

MACHINES = {
    "auto-submitted": {"Auto_Submitted": "auto-replied"}, "auto-generated": {"Auto_Submitted": "auto-generated (rejected)"},
    "auto-notified": {"Auto_Submitted": "auto-notified; owner-email=x@example.jp"}, "bulk": {"Precedence": "bulk"}, "list": {"Precedence": "List"},
    "junk": {"Precedence": "junk"}, "list-id": {"List_Id": "<other.example.jp>"}, "list-unsubscribe": {"List_Unsubscribe": "<mailto:x@example.jp>"},
    "exchange": {"X_Auto_Response_Suppress": "All"}, "loop": {"X_Loop": "daily@lists.example.jp"}, "autoreply": {"X_Autoreply": "yes"},
    "autorespond": {"X_Autorespond": "yes"}}
ABSENCES = ["自動返信：メールありがとうございます", "【自動応答】", "不在のお知らせ", "不在通知", "Out of Office: Re: Please confirm", "Automatic reply: Please confirm",
            "Auto: vacation reply", "Abwesenheitsnotiz", "Réponse automatique : x", "自动回复", "부재중"]


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("recipient", [SUBSCRIBE, HELP, REQUEST, UNSUBSCRIBE])
def test_a_machine_gets_no_answer_and_changes_nothing(database: Database, name: str, recipient: str) -> None:
    """Whatever it says in its subject."""
    inbox = Inbox(database)
    assert inbox.bring(recipient, written(subject="subscribe", **MACHINES[name])).startswith("silent:")
    assert (inbox.notices(), inbox.people()) == ([], [])


@pytest.mark.parametrize("name", [name for name in MACHINES if name not in ("list-id", "list-unsubscribe", "loop")])
def test_a_vacation_answer_to_the_confirmation_does_not_confirm(database: Database, name: str) -> None:
    """It carries the right token: programs answer to Reply-To."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    inbox.bring(inbox.confirm_address(), written(subject="Re: Please confirm", in_reply_to="<2@news.example.jp>", **MACHINES[name]))
    assert state_of(database, HANAKO) == "unconfirmed"


@pytest.mark.parametrize("subject", ABSENCES)
def test_a_vacation_answer_without_any_header_is_known_by_its_subject(database: Database, subject: str) -> None:
    """Telephones and some Japanese programs set no header at all."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    inbox.bring(inbox.confirm_address(), written(subject=subject, body="I am away."))
    assert state_of(database, HANAKO) == "unconfirmed"


def test_the_null_sender_confirms_nothing_and_is_never_answered(database: Database) -> None:
    """Bounces and most vacation programs send with an empty envelope sender (RFC 5321 section 4.5.5)."""
    inbox = Inbox(database)
    assert inbox.bring(SUBSCRIBE, written(), sender="").startswith("silent:")
    assert inbox.people() == []
    inbox.bring(SUBSCRIBE, written(message_id="<2@example.jp>"))
    inbox.bring(inbox.confirm_address(), written(subject="Re: Please confirm"), sender="")
    assert state_of(database, HANAKO) == "unconfirmed"


@pytest.mark.parametrize("sender", ["MAILER-DAEMON@example.jp", "postmaster@example.jp", "owner-other@example.jp", "other-request@example.jp",
                                    "other-bounces@example.jp", "noreply@example.jp", "no-reply@example.jp", f"daily-subscribe@{DOMAIN}",
                                    "news@news.example.jp"])
def test_no_role_and_no_address_of_ours_is_answered(database: Database, sender: str) -> None:
    """An answer to one of these makes a loop, or goes to nobody."""
    inbox = Inbox(database)
    assert inbox.bring(SUBSCRIBE, written(sender), sender).startswith("silent:")
    assert inbox.notices() == []


@pytest.mark.parametrize("sender", [TARO, "hanako@example.com", None])
def test_a_from_that_the_envelope_does_not_name_is_not_answered(database: Database, sender: str | None) -> None:
    """Anybody can write anybody's name into From: an answer would be the mail they wanted us to send."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written(HANAKO), sender)
    assert (inbox.notices(), inbox.people()) == ([], [])


def test_two_writers_are_nobody(database: Database) -> None:
    """RFC 5322 section 3.6.2 would want a Sender; here it is a trick."""
    inbox = Inbox(database)
    two_headers = b"From: hanako@example.jp\r\nFrom: taro@example.jp\r\nSubject: subscribe\r\n\r\n"
    inbox.bring(SUBSCRIBE, two_headers)
    inbox.bring(SUBSCRIBE, b"From: hanako@example.jp, taro@example.jp\r\n\r\n")
    assert inbox.people() == []


@pytest.mark.parametrize("result", ["mx.example.jp; dmarc=fail header.from=example.jp", "mx.example.jp; dmarc=pass header.from=other.example",
                                    "other.example; dmarc=pass header.from=example.jp", "mx.example.jp; dkim=pass header.d=jp", "garbage ((("])
def test_a_result_of_authentication_counts_from_a_trusted_server_for_this_domain_only(database: Database, result: str) -> None:
    """RFC 8601 section 5: whoever sends can write such a header."""
    from tests.inbound import inbound_settings

    inbox = Inbox(database, inbound_settings(authenticated_by=["mx.example.jp"]))
    inbox.bring(SUBSCRIBE, written(Authentication_Results=result), TARO)
    assert inbox.notices() == []
    inbox.bring(SUBSCRIBE, written(message_id="<2@example.jp>", Authentication_Results="mx.example.jp; dmarc=pass header.from=example.jp"), TARO)
    assert inbox.kinds() == ["confirm"]


def test_a_report_is_no_command(database: Database) -> None:
    """A bounce of something that somebody sent in our name."""
    inbox = Inbox(database)
    report = b"From: hanako@example.jp\r\nSubject: subscribe\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x--\r\n"
    assert inbox.bring(SUBSCRIBE, report).startswith("silent:")
    assert inbox.notices() == []


def test_a_mail_over_the_limit_is_not_even_read(database: Database) -> None:
    """A megabyte of signature is no wish."""
    inbox = Inbox(database)
    assert inbox.bring(SUBSCRIBE, written(body="x" * 1_100_000)).startswith("silent:")
    assert inbox.people() == []


def test_an_answer_quotes_nothing_that_the_stranger_wrote(database: Database) -> None:
    """Else we would carry anybody's words to anybody's mailbox."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written(f"Buy now <{HANAKO}>", "subscribe", "https://evil.example"))
    notice = inbox.notices()[0]
    assert "evil" not in str(notice.data)
    assert "Buy" not in str(notice.data)


@pytest.mark.parametrize(("subject", "body"), [
    ("Re: Please confirm", "unsubscribe"), ("配信停止", "退会します"), ("Re: Please confirm", "do not subscribe me, no!"), ("Re: 登録の確定をお願いします", "いいえ、身に覚えがありません"),
    ("Re: Please confirm", "No, thank you.\n\n> Please confirm"), ("Cancel", "")])
def test_who_answers_the_confirmation_with_a_refusal_confirms_nothing(database: Database, subject: str, body: str) -> None:
    """The token is right, and the answer is no."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    assert inbox.bring(inbox.confirm_address(), written(subject=subject, body=body)) == "silent:declined"
    assert state_of(database, HANAKO) == "unconfirmed"


@pytest.mark.parametrize("subject", ["Auto: Re: Please confirm", "Undeliverable: Please confirm", "RE: Please confirm 夏季休業のお知らせ",
                                     "Re: Please confirm (I am on holiday until Monday)"])
def test_more_notes_of_absence_are_known_by_their_subject(database: Database, subject: str) -> None:
    """RFC 3834 section 3.1.5 proposes `Auto:`."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    assert inbox.bring(inbox.confirm_address(), written(subject=subject)).startswith("silent:")

"""Signing up and leaving by mail: who asks is asked back, who wants to leave leaves, and the same mail twice is one mail."""

import base64
from datetime import timedelta

import pytest
from sqlalchemy import select

from publisher.db import Database
from publisher.links import leave_token
from publisher.track.inbound import takes
from subscribers.addresses import parse_address
from subscribers.models import Consent, SignupRequest
from subscribers.registry.suppressions import suppress
from tests.inbound import DOMAIN, HELP, REQUEST, SUBSCRIBE, UNSUBSCRIBE, Inbox, inbound_settings, written
from tests.readers import HANAKO, KEYS, TARO, ids_of, join, state_of

DAY = timedelta(days=1)
PROVED = "mx.example.jp; dmarc=pass header.from=example.jp"
TRUSTING = {"authenticated_by": ["mx.example.jp"]}


def test_who_answers_an_issue_with_a_wish_to_leave_is_heard(database: Database) -> None:
    """It refers to a mail of ours, as the answer of a machine would; but leaving once makes no loop."""
    inbox = Inbox(database)
    inbox.reader()
    assert inbox.bring(f"daily@{DOMAIN}", written(subject="Re: Example Morning", body="配信停止", references="<abc@news.example.jp>")) == "leave-asked"


@pytest.mark.parametrize("recipient", [SUBSCRIBE, HELP, REQUEST])
def test_an_answer_to_one_of_our_own_mails_asks_for_nothing(database: Database, recipient: str) -> None:
    """Two programs that answer each other would go on for ever; only the address of a confirmation waits for an answer."""
    inbox = Inbox(database)
    assert inbox.bring(recipient, written(subject="subscribe", in_reply_to="<abc@news.example.jp>")) == "silent:loop"
    assert (inbox.kinds(), inbox.people()) == ([], [])


def test_a_mail_to_the_subscribe_address_is_answered_by_a_confirmation(database: Database) -> None:
    """Nobody is on the list by that: the mail asks, and names the mail it answers."""
    inbox = Inbox(database)
    assert inbox.bring(SUBSCRIBE, written(message_id="<abc@example.jp>")) == "asked"
    [notice] = inbox.notices()
    assert (notice.kind, inbox.addressee(notice), notice.in_reply_to) == ("confirm", HANAKO, "<abc@example.jp>")
    assert state_of(database, HANAKO) == "unconfirmed"


def test_a_reply_to_the_confirmation_confirms_whoever_sends_it(database: Database) -> None:
    """The token is the proof; people answer from another address than the one they signed up with."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    assert inbox.bring(inbox.confirm_address(), written(TARO, "Re: Please confirm", "> please confirm"), TARO) == "confirmed"
    assert state_of(database, HANAKO) == "subscribed"
    assert inbox.kinds() == ["confirm", "welcome"]


def test_where_and_how_somebody_asked_is_kept(database: Database) -> None:
    """The proof of consent names the door and the address of ours at which they wrote."""
    inbox = Inbox(database)
    inbox.bring("Daily-Subscribe@LISTS.example.jp", written())
    inbox.bring(inbox.confirm_address(), written())
    with database.reading() as session:
        rows = session.execute(select(Consent.action, Consent.door, Consent.origin).order_by(Consent.id)).all()
    assert rows == [("asked", "mail", SUBSCRIBE), ("confirmed", "mail", SUBSCRIBE)]


@pytest.mark.parametrize("name", ["daily-subscribe", "daily-join", "DAILY-JOIN", "Daily-Subscribe"])
def test_both_names_of_the_address_work_in_any_case(database: Database, name: str) -> None:
    assert Inbox(database).bring(f"{name}@{DOMAIN}", written()) == "asked"


def test_the_same_mail_twice_is_handled_once(database: Database) -> None:
    """A server that lost our answer brings it again."""
    inbox = Inbox(database)
    mail = written()
    assert [inbox.bring(SUBSCRIBE, mail), inbox.bring(SUBSCRIBE, mail)] == ["asked", "again"]
    assert inbox.kinds() == ["confirm"]


def test_a_second_wish_within_a_day_gets_no_second_mail(database: Database) -> None:
    """Anybody can write anybody's address into From: one pending confirmation a day, three in thirty days."""
    inbox = Inbox(database)
    outcomes = []
    for day in range(5):
        outcomes.append(inbox.bring(SUBSCRIBE, written(message_id=f"<{day}@example.jp>")))
        inbox.clock.pass_by(timedelta(hours=1))
        outcomes.append(inbox.bring(SUBSCRIBE, written(message_id=f"<{day}b@example.jp>")))
        inbox.clock.pass_by(DAY)
    assert outcomes == ["asked", "waits"] * 3 + ["waits", "waits"] * 2


def test_the_limit_for_one_mail_domain_holds_for_mail_too(database: Database) -> None:
    settings = inbound_settings()
    inbox = Inbox(database, settings.model_copy(update={"signup": settings.signup.model_copy(update={"per_domain": 2})}))
    outcomes = [inbox.bring(SUBSCRIBE, written(f"r{n}@example.jp"), f"r{n}@example.jp") for n in range(3)]
    assert outcomes == ["asked", "asked", "busy"]
    assert inbox.bring(SUBSCRIBE, written("r@other.example"), "r@other.example") == "asked"


def test_a_reader_who_asks_again_is_told_so_and_nobody_else_learns_it(database: Database) -> None:
    """Known and unknown get one mail each."""
    inbox = Inbox(database)
    inbox.reader()
    assert inbox.bring(SUBSCRIBE, written()) == "asked"
    assert inbox.kinds() == ["already"]


def test_a_list_with_single_opt_in_still_asks_by_mail_unless_the_sender_is_proved(database: Database) -> None:
    """A From can be forged by anybody."""
    names = ({"name": "daily", "opt_in": "single"},)
    inbox = Inbox(database, inbound_settings(names=names, **TRUSTING))
    inbox.bring(SUBSCRIBE, written())
    inbox.bring(SUBSCRIBE, written(TARO, Authentication_Results=PROVED), TARO)
    assert inbox.kinds() == ["confirm", "welcome"]
    assert (state_of(database, HANAKO), state_of(database, TARO)) == ("unconfirmed", "subscribed")


def test_a_list_that_is_not_public_cannot_be_joined_by_mail(database: Database) -> None:
    """Neither by its address, which is none, nor by a command; its readers leave as everywhere."""
    inbox = Inbox(database, inbound_settings(names=({"name": "staff", "public": False},)))
    assert not takes(inbox.settings, KEYS, f"staff-subscribe@{DOMAIN}")
    assert inbox.bring(f"staff@{DOMAIN}", written(subject="subscribe")) == "help"
    assert takes(inbox.settings, KEYS, f"staff-unsubscribe@{DOMAIN}")


def test_the_token_of_a_mail_leaves_without_a_question(database: Database) -> None:
    """Microsoft's own button only knows this way."""
    inbox = Inbox(database)
    address = inbox.reader()
    assert inbox.bring(address, written(subject="unsubscribe")) == "left"
    assert state_of(database, HANAKO) == "left"
    assert inbox.kinds() == ["goodbye"]
    assert inbox.bring(address, written(message_id="<2@example.jp>")) == "not-a-reader"
    assert inbox.kinds() == ["goodbye"]


@pytest.mark.parametrize("headers", [{"Precedence": "bulk"}, {"Auto_Submitted": "auto-generated"}, {"List_Id": "<x.example.com>"}, {}])
def test_a_providers_program_may_use_the_token_however_its_mail_looks(database: Database, headers: dict[str, str]) -> None:
    """What it wrote is no answer and no report: the reader pressed a button. It gets no goodbye, for nobody may be answered."""
    inbox = Inbox(database)
    assert inbox.bring(inbox.reader(), written("no-reply@provider.example", "unsubscribe", **headers), "bounces@provider.example") == "left"
    assert inbox.kinds() == []


def test_the_token_works_in_mail_that_cannot_be_read_or_is_too_large(database: Database) -> None:
    inbox = Inbox(database)
    assert inbox.bring(inbox.reader(), b"\xff\xfe\0", None) == "left"
    assert inbox.bring(inbox.reader(TARO), written(TARO, body="x" * 1_500_000), TARO) == "left"


def test_who_leaves_with_somebody_elses_mail_is_not_answered(database: Database) -> None:
    """A forwarded issue carries its reader's token."""
    inbox = Inbox(database)
    assert inbox.bring(inbox.reader(), written(TARO), TARO) == "left"
    assert inbox.kinds() == []


def test_without_a_token_the_reader_is_asked_by_a_link(database: Database) -> None:
    """Once a day and three times in thirty days, whoever writes in their name."""
    inbox = Inbox(database)
    inbox.reader()
    outcomes = []
    for day in range(5):
        outcomes += [inbox.bring(UNSUBSCRIBE, written(message_id=f"<{day}{part}@example.jp>")) for part in "ab"]
        inbox.clock.pass_by(DAY + timedelta(minutes=1))
    assert outcomes == ["leave-asked", "waits"] * 3 + ["waits", "waits"] * 2
    assert inbox.kinds() == ["leave"] * 3
    assert state_of(database, HANAKO) == "subscribed"


def test_without_a_token_a_proved_sender_leaves_at_once(database: Database) -> None:
    """The newsroom's own server has checked DMARC and says so under a name that is trusted."""
    inbox = Inbox(database, inbound_settings(**TRUSTING))
    inbox.reader()
    assert inbox.bring(f"daily-leave@{DOMAIN}", written(Authentication_Results=PROVED)) == "left"
    assert state_of(database, HANAKO) == "left"
    assert inbox.kinds() == ["goodbye"]


def test_who_is_no_reader_hears_nothing_when_leaving(database: Database) -> None:
    """Whether an address is on the list is nobody's to learn, and not stored for having been asked."""
    inbox = Inbox(database)
    assert inbox.bring(UNSUBSCRIBE, written()) == "not-a-reader"
    assert (inbox.kinds(), inbox.people()) == ([], [])


def test_only_the_list_that_was_named_is_left(database: Database) -> None:
    inbox = Inbox(database)
    address = inbox.reader(HANAKO, "weekly")
    join(database, HANAKO, "daily")
    inbox.bring(address, written())
    assert (state_of(database, HANAKO, "weekly"), state_of(database, HANAKO, "daily")) == ("left", "subscribed")


@pytest.mark.parametrize(("subject", "kinds"), [
    ("subscribe", ["confirm"]), ("Re: Subscribe", ["confirm"]), ("登録", ["confirm"]), ("ＲＥ：　購読", ["confirm"]), ("参加希望", ["confirm"]),
    ("help", ["help"]), ("使い方", ["help"]), ("ヘルプ", ["help"]), ("登録しないで", ["help"]), ("nice issue today", ["help"])])
@pytest.mark.parametrize("recipient", [REQUEST, f"daily@{DOMAIN}"])
def test_a_command_in_the_subject_is_obeyed_and_everything_else_is_told_how(database: Database, recipient: str, subject: str, kinds: list[str]) -> None:
    inbox = Inbox(database)
    inbox.bring(recipient, written(subject=subject))
    assert inbox.kinds() == kinds


@pytest.mark.parametrize("subject", ["登録解除", "配信停止を希望します", "退会", "停止", "解除", "unsubscribe", "leave", "Fwd: REMOVE"])
def test_a_wish_to_leave_is_never_read_as_a_wish_to_join(database: Database, subject: str) -> None:
    """登録解除 begins with 登録."""
    inbox = Inbox(database)
    assert inbox.bring(REQUEST, written(subject=subject)) == "not-a-reader"
    inbox.reader(TARO)
    assert inbox.bring(REQUEST, written(TARO, subject), TARO) == "leave-asked"
    assert inbox.kinds() == ["leave"]


def test_a_command_in_the_body_is_obeyed(database: Database) -> None:
    inbox = Inbox(database)
    assert inbox.bring(REQUEST, written(subject="お願い", body="こんにちは。\n\n登録\n\n-- \n山田花子\n")) == "asked"


def test_a_confirmation_may_stand_in_the_subject(database: Database) -> None:
    """Some programs answer to From, not to Reply-To."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    token = inbox.confirm_address().partition("+")[2].partition("@")[0]
    assert inbox.bring(REQUEST, written(TARO, f"confirm {token.upper()}"), TARO) == "confirmed"
    assert inbox.bring(REQUEST, written(TARO, f"confirm {token[:-1]}a"), TARO) in ("silent:forged", "used")


def test_help_is_sent_once_a_day(database: Database) -> None:
    inbox = Inbox(database)
    outcomes = [inbox.bring(HELP, written(message_id=f"<{n}@example.jp>")) for n in range(2)]
    inbox.clock.pass_by(DAY + timedelta(minutes=1))
    outcomes.append(inbox.bring(HELP, written(message_id="<3@example.jp>")))
    assert outcomes == ["help", "waits", "help"]
    assert inbox.people() == [HANAKO]


def test_help_has_the_limits_of_signing_up(database: Database) -> None:
    """Help to forged senders would be mail that nobody asked for."""
    settings = inbound_settings()
    inbox = Inbox(database, settings.model_copy(update={"signup": settings.signup.model_copy(update={"per_domain": 2, "in_all": 3})}))
    outcomes = [inbox.bring(HELP, written(who), who) for who in ("a@example.jp", "b@example.jp", "c@example.jp", "d@x.example", "e@y.example")]
    assert outcomes == ["help", "help", "busy", "help", "busy"]


def test_a_suppressed_address_gets_no_mail_of_any_kind(database: Database) -> None:
    """Not even help, and it is not stored."""
    inbox = Inbox(database)
    suppress(database, KEYS, parse_address(HANAKO), "complaint", inbox.clock())
    assert [inbox.bring(where, written()) for where in (SUBSCRIBE, HELP, REQUEST)] == ["suppressed", "suppressed", "again"][:2] + ["suppressed"]
    assert (inbox.kinds(), inbox.people()) == ([], [])


def test_the_answer_is_in_japanese_to_whoever_writes_japanese(database: Database) -> None:
    inbox = Inbox(database)
    inbox.bring(REQUEST, written(subject="登録"))
    inbox.bring(REQUEST, written(TARO, "subscribe"), TARO)
    assert [notice.language for notice in inbox.notices()] == ["ja", "en"]


@pytest.mark.parametrize("encoding", ["iso2022_jp", "cp932", "euc_jp", "utf-8"])
def test_commands_are_understood_in_every_encoding_of_japanese_mail(database: Database, encoding: str) -> None:
    """Encoded, raw, and without a word about it."""
    inbox = Inbox(database)
    word = "配信停止".encode(encoding)
    named = {"iso2022_jp": b"ISO-2022-JP", "cp932": b"Shift_JIS", "euc_jp": b"EUC-JP", "utf-8": b"UTF-8"}[encoding]
    inbox.reader()
    subjects = [b"=?" + named + b"?B?" + base64.b64encode(word) + b"?=", word]
    for number, subject in enumerate(subjects):
        inbox.clock.pass_by(DAY + timedelta(minutes=1))
        data = b"From: hanako@example.jp\r\nMessage-ID: <%d@x>\r\nSubject: %s\r\n\r\n" % (number, subject)
        assert inbox.bring(REQUEST, data) == "leave-asked", subject


def test_a_carrier_address_and_a_tagged_envelope_are_the_same_person(database: Database) -> None:
    """BATV puts a tag before the sender; carriers gave out addresses with two dots, which travel in quotes."""
    inbox = Inbox(database)
    assert inbox.bring(SUBSCRIBE, written(), f"prvs=0123456789={HANAKO}") == "asked"
    data = b'From: "a..b"@docomo.ne.jp\r\nSubject: x\r\n\r\n'
    assert inbox.bring(SUBSCRIBE, data, '"a..b"@docomo.ne.jp') == "asked"
    assert inbox.people() == [HANAKO, "a..b@docomo.ne.jp"]


def test_a_request_that_a_leaving_has_voided_confirms_nothing(database: Database) -> None:
    """The token of before is no way back."""
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    address = inbox.confirm_address()
    inbox.bring(address, written())
    list_id, subscriber_id = ids_of(database, HANAKO)
    inbox.clock.pass_by(timedelta(minutes=1))
    inbox.bring(f"u+{leave_token(KEYS, list_id, subscriber_id, 1)}@{DOMAIN}", written())
    assert inbox.bring(address, written(message_id="<late@example.jp>")) in ("used", "void")
    assert state_of(database, HANAKO) == "left"


def test_an_old_confirmation_is_too_late(database: Database) -> None:
    inbox = Inbox(database)
    inbox.bring(SUBSCRIBE, written())
    inbox.clock.pass_by(timedelta(days=4))
    assert inbox.bring(inbox.confirm_address(), written()) == "expired"
    with database.reading() as session:
        assert session.scalars(select(SignupRequest.used_at)).all() == [None]

"""The addresses at which mail comes in: by name, by token, and never two things at once."""

import pytest

from publisher.links import BOUNCE, CONFIRM, LEAVE, NOTICE, UNDO
from publisher.settings import Settings
from subscribers.mailbox.commands import Command, command_in, command_of, own_lines
from subscribers.mailbox.recipients import Recipient, addresses, genuine, recipient_of
from tests.inbound import DOMAIN, inbound_settings
from tests.readers import KEYS

TOKEN = KEYS.sign(CONFIRM, 3, 4)


def found(local: str, settings: Settings | None = None, domain: str = DOMAIN) -> Recipient | None:
    return recipient_of(settings or inbound_settings(), f"{local}@{domain}")


@pytest.mark.parametrize(("local", "kind"), [
    ("daily", "request"), ("daily-request", "request"), ("daily-subscribe", "subscribe"), ("daily-join", "subscribe"), ("daily-unsubscribe", "unsubscribe"),
    ("daily-leave", "unsubscribe"), ("daily-help", "help"), ("daily-owner", "owner"), ("DAILY-Help", "help"), ('"daily-help"', "help")])
def test_the_addresses_of_a_list(local: str, kind: str) -> None:
    assert found(local) == Recipient(kind, "daily")  # type: ignore[arg-type]


@pytest.mark.parametrize("local", ["", "other", "daily-", "daily-confirm", "dailysubscribe", "daily-subscribe-x", "daily+x", "u", "b", "u+", "-help", "help",
                                   "daily_subscribe", "daily-bounces", "x-daily-subscribe", "subscribe"])
def test_everything_else_is_none_of_ours(local: str) -> None:
    assert found(local) is None


def test_another_domain_is_none_of_ours_and_the_domain_of_bounces_is() -> None:
    settings = inbound_settings(mail={"bounce_domain": "bounces.example.jp"})
    assert found("daily-help", settings, "example.jp") is None
    assert found("daily-help", settings, "LISTS.Example.JP.") is not None
    assert found(f"b+{KEYS.sign(BOUNCE, 1, 2)}", settings, "bounces.example.jp") is not None


def test_a_list_whose_name_looks_like_an_address_of_another_has_its_own() -> None:
    """The longest name wins: `x-help` is a list, and not the help of `x`."""
    settings = inbound_settings(names=({"name": "x"}, {"name": "x-help"}, {"name": "X-help-subscribe"}))
    assert found("x-help", settings) == Recipient("request", "x-help")
    assert found("x-help-help", settings) == Recipient("help", "x-help")
    assert found("x-help-subscribe", settings) == Recipient("request", "X-help-subscribe")
    assert found("x-subscribe", settings) == Recipient("subscribe", "x")
    listed = dict(addresses(settings))
    assert listed[f"x-help@{DOMAIN}"] == Recipient("request", "x-help")
    assert len(listed) == len(addresses(settings))


def test_every_address_that_is_listed_is_what_it_is_listed_as() -> None:
    settings = inbound_settings(names=({"name": "a"}, {"name": "a-join"}, {"name": "staff", "public": False}))
    for address, recipient in addresses(settings):
        assert recipient_of(settings, address) == recipient
    assert f"staff-subscribe@{DOMAIN}" not in dict(addresses(settings))


@pytest.mark.parametrize("delimiter", ["+", "-", "="])
def test_tokens_are_read_behind_any_delimiter(delimiter: str) -> None:
    """A newsroom may change it; mails of yesterday hold the old one."""
    assert found(f"daily-confirm{delimiter}{TOKEN}") == Recipient("confirm", "daily", TOKEN)
    assert found(f"u{delimiter}{TOKEN.upper()}") == Recipient("leave", token=TOKEN)
    assert found(f"b{delimiter}{TOKEN}") == Recipient("bounce", token=TOKEN)


def test_a_list_that_was_renamed_leaves_its_confirmations_working() -> None:
    assert found(f"gone-confirm+{TOKEN}") == Recipient("confirm", "", TOKEN)


@pytest.mark.parametrize(("kind", "purposes"), [("leave", (LEAVE,)), ("confirm", (CONFIRM,)), ("bounce", (BOUNCE, NOTICE))])
def test_a_token_serves_its_own_address_only(kind: str, purposes: tuple[str, ...]) -> None:
    """Forged, of another purpose, or of another key: none of ours."""
    for purpose in (LEAVE, CONFIRM, BOUNCE, NOTICE, UNDO):
        token = KEYS.sign(purpose, *((1, 2, 3) if purpose in (LEAVE, UNDO) else (1, 2)))
        assert genuine(KEYS, Recipient(kind, token=token)) == (purpose in purposes)  # type: ignore[arg-type]
        assert not genuine(KEYS, Recipient(kind, token=token[:-2] + "aa"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "verb"), [
    ("subscribe", "subscribe"), ("SUBSCRIBE!", "subscribe"), ("ｓｕｂｓｃｒｉｂｅ", "subscribe"), ("join", "subscribe"), ("登録", "subscribe"), ("「登録」", "subscribe"),
    ("登録希望", "subscribe"), ("購読を希望します", "subscribe"), ("登録をお願いいたします。", "subscribe"), ("参加したいです", "subscribe"),
    ("unsubscribe", "unsubscribe"), ("Leave", "unsubscribe"), ("remove me from this list", "unsubscribe"), ("unsubscribe please", "unsubscribe"),
    ("登録解除", "unsubscribe"), ("登録 解除", "unsubscribe"), ("登録の解除を希望", "unsubscribe"), ("配信停止", "unsubscribe"), ("配信停止してください", "unsubscribe"),
    ("退会します", "unsubscribe"), ("停止", "unsubscribe"), ("解除お願いします", "unsubscribe"), ("購読停止", "unsubscribe"), ("help", "help"), ("ﾍﾙﾌﾟ", "help")])
def test_a_line_that_is_a_command(text: str, verb: str) -> None:
    assert command_in(text) == Command(verb)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["登録しません", "登録できない", "登録したくない", "登録完了", "登録内容の確認", "参加できません", "停止しないで", "購読者の声", "I want to subscribe",
                                  "do not subscribe", "subscribe to win", "subscription", "helpful", "unsubscribed", "登録 登録解除", "", "?", "登" * 500])
def test_a_line_that_says_anything_else_is_no_command(text: str) -> None:
    """Nobody joins by accident."""
    assert command_in(text) is None


@pytest.mark.parametrize("subject", ["Re: 登録", "RE：登録", "Fwd: Re: 登録", "返信：登録", "転送: 登録", "Re[2]: 登録", "Re^3: 登録", "[外部] 登録", "AW: 登録", "【】登録"])
def test_prefixes_of_a_subject_are_passed_over(subject: str) -> None:
    assert command_of(subject, []) == Command("subscribe")


def test_the_subject_comes_before_the_body() -> None:
    assert command_of("登録解除", ["登録"]) == Command("unsubscribe")
    assert command_of("お願い", ["登録"]) == Command("subscribe")


@pytest.mark.parametrize("lines", [["> 登録"], ["＞登録"], ["-- ", "登録"], ["--", "登録"], ["-----Original Message-----", "登録"], ["-----元のメッセージ-----", "登録"],
                                   ["On Mon, 2 Mar 2026 at 9:00, News <news@example.jp> wrote:", "登録"], ["2026年3月2日(月) 9:00 News <news@example.jp>:", "登録"],
                                   ["差出人: news@example.jp", "登録"], ["山田さんは書きました:", "登録"], ["line"] * 10 + ["登録"]])
def test_what_is_quoted_signed_or_far_below_is_not_obeyed(lines: list[str]) -> None:
    """A reply to our own help mail quotes every command there is."""
    assert command_of("Re: How to subscribe", lines) is None


def test_empty_lines_do_not_count() -> None:
    assert own_lines(["", "a", "", "> b", "c"]) == ["a", "c"]
    assert command_of("", [""] * 30 + ["登録"]) == Command("subscribe")

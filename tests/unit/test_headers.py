"""Header lines are what RFC 5322 and 2047 want, whatever stands in a headline or a name."""

import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.headers import BadHeader, header_line, route, split_mailbox, unquoted

# Everything that may stand in a headline; what may not is tested below.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=200)
MIXED = st.lists(st.sampled_from([
    "生成AI", "の", "OpenAI", " ", "GPT-5.2", "、", "「", "」", "＝", "=?", "?=", "🐦‍🔥", "👨‍👩‍👧‍👦", "が" * 9, "é", "  "]),
    min_size=1, max_size=40).map("".join)


def unfolded(line: bytes) -> str:
    """The value as a reader's program sees it before decoding."""
    text = line.decode("ascii").removesuffix("\r\n")
    return re.sub(r"\r\n(?=[ \t])", "", text).partition(": ")[2]


def decoded(line: bytes) -> str:
    """The value as a reader sees it."""
    return str(make_header(decode_header(unfolded(line))))


@given(TEXT | MIXED)
def test_a_subject_arrives_as_it_was_written(text: str) -> None:
    """Python's own encoder changes 1.6 % of natural Japanese subjects; ours none."""
    line = header_line("Subject", text)
    assert decoded(line) == text
    for part in line.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(part) <= 76
    for word in re.findall(rb"=\?utf-8\?[bq]\?[^?]*\?=", line):
        assert len(word) <= 75
    assert b"?==?" not in line


@given(TEXT | MIXED)
def test_a_display_name_arrives_and_makes_no_second_address(text: str) -> None:
    """Commas, brackets, quotes and at-signs in a name stay part of the name."""
    name = " ".join(text.replace("<", "(").split()).strip('"\\ ')
    if not name:
        return
    line = header_line("From", f"{name} <news@example.jp>")
    value = unfolded(line)
    phrase, _bracket, address = value.rpartition("<")
    assert address == "news@example.jp>"
    shown = phrase.strip()
    if shown.startswith('"'):
        shown = re.sub(r"\\(.)", r"\1", shown[1:-1])
    assert str(make_header(decode_header(shown))) == name
    assert all(len(part) <= 76 for part in line.removesuffix(b"\r\n").split(b"\r\n"))


@pytest.mark.parametrize("bad", ["hi\nBcc: evil@x", "hi\r\n", "a\u2028b", "a\x00b", "a\x85b", "\ud800", "a\tb"])
@pytest.mark.parametrize("name", ["Subject", "From", "List-Unsubscribe", "List-Id"])
def test_a_line_break_or_control_character_is_refused_in_every_header(name: str, bad: str) -> None:
    """No header can be injected."""
    with pytest.raises(BadHeader, match="control character"):
        header_line(name, bad)


def test_an_encoded_word_in_a_headline_stays_text() -> None:
    """CVE-2024-6923: what looks encoded must not be decoded into a header of its own."""
    text = "=?utf-8?q?hi=0ABcc:_evil@x?="
    line = header_line("Subject", text)
    assert line.count(b"\r\n") == 1
    assert decoded(line) == text


def test_latin_text_is_encoded_so_that_it_can_be_read_as_it_stands() -> None:
    """SpamAssassin's FROM_EXCESS_BASE64: plain letters in base64 look like something to hide. Japanese is shorter in base64."""
    assert header_line("From", "Café News <news@example.jp>") == b"From: =?utf-8?q?Caf=C3=A9_News?= <news@example.jp>\r\n"
    assert header_line("Subject", "朝のAI").startswith(b"Subject: =?utf-8?b?")


def test_a_family_is_not_torn_apart() -> None:
    """Characters as people see them stay whole: one of them may be seven."""
    family = "👨‍👩‍👧‍👦"
    line = header_line("Subject", family * 9)
    for word in re.findall(rb"=\?utf-8\?b\?[^?]*\?=", line):
        assert set(str(make_header(decode_header(word.decode()))).split(family)) == {""}


def test_the_name_of_a_list_is_encoded_and_its_id_never() -> None:
    """RFC 2919 section 2: the id is ASCII; a site with a name in Japanese letters is told so instead of sending half a header."""
    line = header_line("List-Id", "AI モーニング <daily.news.example.jp>")
    assert unfolded(line).endswith("<daily.news.example.jp>")
    assert decoded(line) == "AI モーニング <daily.news.example.jp>"
    with pytest.raises(BadHeader, match="ASCII"):
        header_line("List-Id", "AI <daily.日本語.jp>")


def test_a_carrier_address_is_shown_as_its_owner_writes_it() -> None:
    """Quotes are for the envelope; in To only where a bare form would be read as something else."""
    assert header_line("To", "a..b@docomo.ne.jp") == b"To: a..b@docomo.ne.jp\r\n"
    assert header_line("To", '"a,b"@example.jp') == b'To: "a,b"@example.jp\r\n'


def test_a_long_link_is_neither_encoded_nor_cut() -> None:
    """gh-85725: an encoded List-Unsubscribe is none."""
    link = "https://news.example.jp/u/" + "a" * 300
    line = header_line("List-Unsubscribe", f"<{link}>, <mailto:u+token@bounces.example.jp?subject=unsubscribe>")
    assert line.decode() == f"List-Unsubscribe: <{link}>,\r\n <mailto:u+token@bounces.example.jp?subject=unsubscribe>\r\n"
    with pytest.raises(BadHeader, match="too long"):
        header_line("List-Unsubscribe", "<https://" + "a" * 1000 + ">")
    with pytest.raises(BadHeader, match="ASCII"):
        header_line("Feedback-ID", "朝刊")


@pytest.mark.parametrize(("typed", "travels"), [
    ("taro@example.jp", "taro@example.jp"),
    ("a..b@docomo.ne.jp", '"a..b"@docomo.ne.jp'),
    (".abc@ezweb.ne.jp", '".abc"@ezweb.ne.jp'),
    ("taro@日本語.jp", "taro@xn--wgv71a119e.jp"),
    ("Taro.Yamada+news@example.jp", "Taro.Yamada+news@example.jp"),
    ('"a">x"@example.jp', '"\\"a\\">x\\""@example.jp'),
])
def test_addresses_travel_in_the_form_that_servers_take(typed: str, travels: str) -> None:
    """Carrier addresses in quotes, domains in ASCII."""
    assert route(typed) == travels
    assert unquoted(route("a..b@docomo.ne.jp")) == "a..b@docomo.ne.jp"


@pytest.mark.parametrize("address", ["太郎@example.jp", "taro", "@example.jp", "taro@", "ta ro@example.jp", "taro@exa mple.jp",
                                     "taro@example.jp>\r\nDATA"])
def test_what_no_server_could_take_is_refused(address: str) -> None:
    """It costs one reader, with a reason, and never reaches a command."""
    with pytest.raises(BadHeader):
        route(address)


def test_a_name_with_a_comma_is_one_sender() -> None:
    """gh-80222: long ASCII names lose their quotes in Python's encoder and become several addresses."""
    assert split_mailbox("News, daily <news@example.jp>") == ("News, daily", "news@example.jp")
    assert split_mailbox('"News, \\"daily\\"" <news@example.jp>') == ('News, "daily"', "news@example.jp")
    assert header_line("From", "News, daily <news@example.jp>") == b'From: "News, daily" <news@example.jp>\r\n'

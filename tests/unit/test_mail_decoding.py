"""Japanese mail as it comes: charsets that hold more than their standard, encoded-words cut anywhere, headers that say nothing of themselves."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.mailbox.decoding import decode, from_euc, from_jis, guess, header_text
from subscribers.mailbox.reading import read

WORDS = ["登録", "購読", "参加", "登録解除", "解除", "配信停止", "退会", "停止", "ヘルプ", "使い方"]


def jis(text: str) -> bytes:
    """ISO-2022-JP as mail programs write it, row 13 and all: CP932 with its pairs moved to where JIS has them."""
    out, wide = b"", False
    for character in text:
        code = character.encode("cp932")
        if len(code) == 2:
            lead, trail = code[0] - (0x81 if code[0] < 0xA0 else 0xC1), code[1]
            odd = trail >= 0x9F
            pair = bytes((lead * 2 + 0x21 + odd, trail - 0x7E if odd else trail - (0x20 if trail > 0x7F else 0x1F)))
            out, wide = out + (b"" if wide else b"\x1b$B") + pair, True
        else:
            out, wide = out + (b"\x1b(B" if wide else b"") + code, False
    return out + (b"\x1b(B" if wide else b"")


def test_iso_2022_jp_holds_what_necs_row_13_added() -> None:
    """① and ㈱: Python's own codecs raise, or leave the encoded-word as it is."""
    text = "①㈱髙の登録ⅢⅣ㍉"
    with pytest.raises(UnicodeDecodeError):
        jis("①").decode("iso2022_jp")
    assert decode(jis(text), "ISO-2022-JP") == text
    assert header_text(b"=?ISO-2022-JP?B?" + base64.b64encode(jis(text)) + b"?=") == text


@given(st.text(st.sampled_from("①㈱髙﨑ⅲアあ亜漢字ABC 12～－"), max_size=40))
def test_every_character_of_cp932_survives_iso_2022_jp(text: str) -> None:
    assert from_jis(jis(text)) == text


def test_euc_jp_holds_row_13_and_half_width_katakana() -> None:
    assert from_euc(b"\xad\xa1\xad\xea\xc5\xd0\xcf\xbf\x8e\xb1") == "①㈱登録ｱ"


def test_broken_iso_2022_jp_is_read_as_far_as_it_goes() -> None:
    """No return to ASCII at the end of a line, half a character, half-width katakana by escape."""
    assert from_jis(b"\x1b$BEPO?\nabc") .startswith("登録\n")
    assert from_jis(b"\x1b$BEPO") == "登O"
    assert from_jis(b"\x1b(I12\x1b(B!") == "ｱｲ!"


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp"])
@pytest.mark.parametrize("word", WORDS)
def test_a_command_is_read_where_nothing_says_how_it_was_written(encoding: str, word: str) -> None:
    assert guess(word.encode(encoding)) == word


@pytest.mark.parametrize("charset", ["shift_jis", "Shift_JIS", "x-sjis", "Windows-31J", '"shift_jis"', "shift_jis*ja"])
def test_the_names_of_one_charset(charset: str) -> None:
    assert decode("①登録".encode("cp932"), charset) == "①登録"


@pytest.mark.parametrize("charset", ["utf-8", "us-ascii", "iso-8859-1x", "unknown-8bit", "", "idna", "punycode", "unicode_escape", "rot13", "zlib", "\0", "ö"])
def test_a_charset_that_is_wrong_unknown_or_no_charset_is_passed_over(charset: str) -> None:
    """Its bytes tell more than its name."""
    assert decode("登録解除".encode("cp932"), charset) == "登録解除"


def test_encoded_words_are_joined_before_they_are_decoded() -> None:
    """Programs that count bytes cut within a character."""
    data = "登録解除".encode()
    cut = [base64.b64encode(data[:4]), base64.b64encode(data[4:])]
    assert header_text(b"=?UTF-8?B?" + cut[0] + b"?=\r\n =?utf-8?b?" + cut[1] + b"?=") == "登録解除"


@pytest.mark.parametrize(("raw", "text"), [
    (b"Re: =?utf-8?q?=E7=99=BB=E9=8C=B2?=", "Re: 登録"), (b"=?utf-8?Q?a_b?= c", "a b c"), (b"=?utf-8?b?55m76Yyy", "登録"), (b"=?utf-8?b?55m76Yw", "登"),
    (b"=?utf-8?b?55m7 6Yyy?=", "登録"), (b"=?x?y?z?=", "=?x?y?z?="), (b"=?utf-8?b?====?=", ""), (b"plain", "plain"), (b"a\r\n b", "a b")])
def test_encoded_words_broken_and_unfinished(raw: bytes, text: str) -> None:
    assert header_text(raw) == text


def test_the_text_part_is_read_before_html() -> None:
    data = (b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>unsubscribe</p>\r\n"
            b"--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$BEPO?\x1b(B\r\n--b--\r\n")
    assert read(data).lines == ("登録",)


def test_a_mail_of_html_only_is_read_as_a_person_sees_it() -> None:
    """Telephones send it; what is quoted in it is somebody else's, and what is hidden is nobody's."""
    data = ("Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>退会</title><style>x</style></head><body><div>配信停止</div>"
            "<blockquote>登録</blockquote><script>subscribe</script></body></html>").encode()
    assert [line for line in read(data).lines if line.strip()] == ["配信停止"]


@pytest.mark.parametrize("encoding", [b"base64", b"BASE64", b"quoted-printable", b"8bit", b"x-unknown"])
def test_a_body_in_any_transfer_encoding(encoding: bytes) -> None:
    word = "登録".encode()
    body = {b"b": base64.b64encode(word), b"q": b"=E7=99=BB=E9=8C=B2"}.get(encoding.lower()[:1], word)
    data = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body + b"\r\n"
    assert read(data).lines == ("登録",)


def test_a_mail_as_a_telephone_sends_it() -> None:
    """No MIME header, raw Shift_JIS in subject and body; and an iPhone's, base64 twice."""
    raw = b"From: hanako@docomo.ne.jp\r\nSubject: " + "登録①".encode("cp932") + b"\r\n\r\n" + "登録".encode("cp932") + b"\r\n"
    assert (read(raw).subject, read(raw).lines) == ("登録①", ("登録",))
    iphone = (b"Subject: =?utf-8?B?6YWN5L+h5YGc5q2i?=\r\nMime-Version: 1.0 (1.0)\r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n"
              b"Content-Transfer-Encoding: base64\r\n\r\n6YWN5L+h5YGc5q2iDQoNCmlQaG9uZeOBi+OCiemAgeS/oQ==\r\n")
    assert (read(iphone).subject, read(iphone).lines[0]) == ("配信停止", "配信停止")


def test_a_mail_of_a_thousand_parts_within_parts_is_left_unread() -> None:
    """The library takes it apart by recursion."""
    data = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    assert not read(data).readable or read(data).lines == ()

"""Any bytes at all are read as some mail, and nobody joins or leaves a list by accident."""

from hypothesis import example, given
from hypothesis import strategies as st

from subscribers.mailbox.commands import command_in, command_of
from subscribers.mailbox.decoding import decode, header_text
from subscribers.mailbox.reading import Incoming, read
from subscribers.mailbox.replies import answerable, came_back, is_automatic, silence

HEADERS = [b"From", b"Subject", b"Content-Type", b"Content-Transfer-Encoding", b"Auto-Submitted", b"Authentication-Results", b"References", b"Date", b"MIME-Version"]
VALUES = st.one_of(st.binary(max_size=60), st.sampled_from([
    b"=?ISO-2022-JP?B?GyRCRVBPPxsoQg==?=", b"=?utf-8?q?=E7=99", b"multipart/mixed; boundary=x", b"multipart/mixed; boundary=", b"text/plain; charset=iso-2022-jp",
    b"text/html; charset*=utf-8''x", b"base64", b"quoted-printable", b"\x1b$B\x45\x50", b"<a@b>", b'"x" <hanako@example.jp>, taro@example.jp',
    b"mx; dmarc=pass header.from=", b"message/rfc822", b"text/plain; charset=\"\"", b"text/plain; charset=utf-7"]))
MAILS = st.builds(lambda head, body: b"".join(name + b": " + value.replace(b"\n", b" ") + b"\r\n" for name, value in head) + b"\r\n" + body,
                  st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=8), st.binary(max_size=200))


@given(st.one_of(MAILS, st.binary(max_size=400)))
@example(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a--")
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    """And every question about them has an answer."""
    mail = read(data)
    assert isinstance(mail, Incoming)
    for sender in (None, "", "hanako@example.jp", "<>"):
        assert silence(mail, sender) is None or silence(mail, sender)
        assert came_back(mail, sender) in (True, False)
        answerable(mail, sender, ("mx",))
    assert is_automatic(mail) in (True, False)
    command_of(mail.subject, mail.lines)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_no_prose_is_a_command(text: str) -> None:
    """A command is the whole line; a sentence that only holds the word says something else."""
    if not text.strip(" \t\u3000\"'“”‘’「」『』【】()[]<>《》〈〉.。、,!?！？・…~〜-ー"):
        return
    assert command_in(f"昨日の {text} について、登録の方法を教えてもらえますか") is None
    assert command_in(f"I do not want to {text} subscribe my cat") is None


@given(st.text(alphabet=st.characters(min_codepoint=0x3041, max_codepoint=0x9FFF), max_size=30), st.sampled_from(["cp932", "euc_jp", "utf-8"]))
def test_japanese_text_comes_back_from_its_encoding(text: str, encoding: str) -> None:
    """Where the encoding has the characters, the text is the same after a trip through a header and a body."""
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return
    assert decode(data, encoding) == text


@given(st.binary(max_size=100))
def test_any_header_value_becomes_text(raw: bytes) -> None:
    """Broken words too."""
    assert isinstance(header_text(raw), str)

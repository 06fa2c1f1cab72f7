"""Mails are taken apart and put into batches so that everything of each can be put together again."""

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from publisher.deliver.headers import header_line
from publisher.deliver.message import Mail
from publisher.deliver.providers.batch import Variables, groups_of, holds_marks
from publisher.deliver.providers.parts import Parts, parts_of, readable_mailbox, unsigned
from tests.providers import mail

# What a header may hold: everything but line ends, control characters, separators and halves of characters.
WORDS = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp"), blacklist_characters="\ue000\ue001"), max_size=60)
LINES = st.lists(st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=30), max_size=8).map("\n".join)


def filled(text: str, values: dict[str, str]) -> str:
    """What the provider makes of it for one reader: each variable is replaced once."""
    return re.sub(r"%recipient\.([\w:-]+)%", lambda found: values.get(found[1], found[0]), text)


@given(WORDS.filter(str.strip), WORDS, LINES, LINES)
@example("=?utf-8?q?no_word?=", "", "", "")
@example("朝のAI、第12号 " * 9, 'Sato "Hanako", editor', "a\n\nb", "<p>\n")
@example("  two  blanks ", "編集部 (朝)", "%recipient%", "")
def test_subject_name_and_bodies_come_out_as_they_went_in(subject: str, name: str, text: str, html: str) -> None:
    """However they were encoded and folded on the way."""
    assume("{" not in text + html and name == name.strip() and not re.search("[<>]", name) and not (name[:1] == name[-1:] == '"'))
    parts = parts_of(mail(subject=subject, sender=f"{name} <news@example.jp>", text=text, html=html))
    assert parts is not None
    assert parts.subject == subject
    assert (parts.text, parts.html) == (text, html)
    shown, address = re.fullmatch(r"(.*?) ?<?(news@example\.jp)>?", parts.sender).groups()  # type: ignore[union-attr]
    assert address == "news@example.jp"
    assert (re.sub(r"\\(.)", r"\1", shown[1:-1]) if shown.startswith('"') else shown) == name


def test_the_other_headers_travel_as_they_stand_and_in_their_order() -> None:
    """Unfolded, but not decoded: nothing of a link may change."""
    made = mail("taro@example.net", token="t" * 40, more=[("Feedback-ID", "12:morning:issue:sender7")])
    parts = parts_of(made)
    assert parts is not None
    assert [name for name, _value in parts.headers] == ["Date", "Message-ID", "List-Unsubscribe", "List-Id", "List-Unsubscribe-Post", "Reply-To", "Feedback-ID"]
    assert parts.header("list-unsubscribe") == f"<https://news.example.jp/u/{'t' * 40}>, <mailto:u+{'t' * 40}@bounces.example.jp?subject=unsubscribe>"
    assert parts.header("Message-ID") == f"<{'t' * 40}@example.jp>"
    assert parts.header("X-None") is None
    assert readable_mailbox(parts.header("Reply-To") or "") == "編集部 <desk@example.jp>"


def test_a_mail_with_a_third_part_is_not_taken_apart() -> None:
    """Nobody could put it together again."""
    made = mail()
    third = made.data.replace(b"--=_b--\r\n", b"--=_b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--=_b--\r\n")
    assert parts_of(Mail(made.sender, made.recipient, third)) is None


def test_our_signature_is_left_out_and_nothing_else() -> None:
    """Providers write Message-ID, Date or the bodies anew, and a signature that fails harms the ones that pass."""
    plain = mail().data
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.jp; s=k;\r\n h=from:to;\r\n\tb=AAAA\r\n BBBB=\r\n"
    assert unsigned(signature + plain) == plain
    assert unsigned(plain.replace(b"Subject:", signature + b"Subject:")) == plain
    quoted = plain.replace(b"--=_b--", b"--=_b\r\n\r\nDKIM-Signature: in a body\r\n--=_b--")
    assert unsigned(quoted) == quoted


@given(st.lists(LINES, min_size=2, max_size=5))
@example(["a\nb", "a\nc", "a\nb"])
@example(["a", "a\nb"])
def test_a_batch_of_bodies_gives_each_reader_his_own(texts: list[str]) -> None:
    """Lines that are the same stand once, others are a variable with a value for each."""
    assume(not any(re.search("%recipient", text) for text in texts))
    variables = Variables(len(texts))
    shared = variables.lines(texts)
    assert [filled(shared, values) for values in variables.values] == texts


@given(st.lists(st.text("<>@%ab.recipient", max_size=12), min_size=2, max_size=5))
@example(["<aa@x>", "<ab@x>"])
@example(["50%", "5%"])
@example(["aa", "a"])
@example(["%", "%%"])
def test_a_batch_of_headers_gives_each_reader_his_own(values: list[str]) -> None:
    """A variable stands between what is the same, and a percent sign before it does not join it."""
    assume(not any("%recipient" in value for value in values))
    variables = Variables(len(values))
    shared = variables.value(values)
    assert [filled(shared, own) for own in variables.values] == values


def test_the_frame_of_a_header_stays_in_sight() -> None:
    """Mailgun looks at a Message-ID before it fills it in: it wants brackets and an @."""
    variables = Variables(2)
    assert variables.value(["<abc@example.jp>", "<abd@example.jp>"]) == "<ab%recipient.v1%@example.jp>"
    assert variables.values == [{"v1": "c"}, {"v1": "d"}]


def test_a_percent_sign_never_touches_a_variable() -> None:
    """However Mailgun looks for the beginning and the end of one."""
    variables = Variables(2)
    assert variables.value(["5%a%5", "5%b%5"]) == "5%recipient.v1%5"
    assert variables.values == [{"v1": "%a%"}, {"v1": "%b%"}]


def test_what_differs_in_the_same_way_is_one_variable() -> None:
    """The link for leaving stands in both bodies and in the header."""
    variables = Variables(2)
    assert variables.lines(["x\nsame", "y\nsame"]) == "%recipient.v1%\nsame"
    assert variables.value(["x", "y"]) == "%recipient.v1%"
    assert variables.values == [{"v1": "x"}, {"v1": "y"}]


def opened(recipient: str, subject: str = "s", text: str = "a") -> Parts:
    return Parts(recipient, "news@example.jp", subject, (("Date", "now"),), text, "<p>")


def test_mails_of_one_shape_go_together() -> None:
    """Two editions are two calls, one that cannot be taken apart goes alone, and the order within each stays."""
    mails = [opened("a@x.jp"), opened("b@x.jp", "t"), None, opened("c@x.jp"), opened("d@x.jp", "t")]
    assert groups_of(mails, [1] * 5, 100) == [[0, 3], [1, 4], [2]]


def test_a_reader_who_gets_two_mails_gets_them_in_two_calls() -> None:
    """Mailgun ignores an address that stands in a call twice, in whatever letters."""
    assert groups_of([opened("a@x.jp"), opened("A@x.jp"), opened("b@x.jp")], [1] * 3, 100) == [[0], [1, 2]]


def test_a_call_is_no_larger_than_the_provider_takes() -> None:
    """What does not fit begins the next one."""
    assert groups_of([opened(f"r{n}@x.jp") for n in range(5)], [40] * 5, 100) == [[0, 1], [2, 3], [4]]


def test_a_mail_with_words_of_mailguns_own_is_known() -> None:
    """A story about Mailgun must not lose its examples, or get a link for leaving that is not ours."""
    assert holds_marks(opened("a@x.jp", text="write %recipient.name% there"))
    assert holds_marks(opened("a@x.jp", subject="%unsubscribe_url%"))
    assert holds_marks(opened("a@x.jp", text="<%mailing_list_unsubscribe_url%>"))
    assert not holds_marks(opened("a@x.jp", text="50% of recipients unsubscribe, and 20%recipe%"))


@given(st.text("abc,\"<> @\\.", min_size=1, max_size=20))
def test_a_name_in_quotes_is_read_back(name: str) -> None:
    """A comma in it makes no second address."""
    assume(name == name.strip() and not re.search("[<>]", name) and not (name[0] == name[-1] == '"'))
    line = header_line("From", f"{name} <news@example.jp>").decode().removeprefix("From: ").replace("\r\n", "")
    read = readable_mailbox(line)
    phrase = read.rpartition(" <")[0]
    assert (re.sub(r"\\(.)", r"\1", phrase[1:-1]) if phrase.startswith('"') else phrase) == name

"""Every relay answer of RFC 5321 and of the large receivers: what it makes of the mail, of the connection and of our pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.deliver.answers import judged, lost, refuses_us, said
from publisher.deliver.dispatch.families import HEAD_OF
from publisher.deliver.dispatch.slowing import is_about_pace, is_of_receivers
from tests.answers import DATA, MAIL, PAGE, RCPT, TABLE, WHOLE, Answer, page

# RFC 5321 section 4.3.2: what each command may be answered with beside success, and what any command may.
BY_COMMAND = {"MAIL": {552, 451, 452, 550, 553, 503, 455, 555}, "RCPT": {550, 551, 552, 553, 450, 451, 452, 503, 455, 555}, "DATA": {503, 554, 450, 451, 452, 550},
              ".": {552, 554, 451, 452, 450, 550}}
ANY = {421, 500}
# RFC 5321 section 4.2.3, but for those that answer to what we never say (211, 214) or are no verdict on a mail (220, 221, 250 to an envelope, 354).
ALL = {250, 251, 252, 421, 450, 451, 452, 455, 500, 501, 502, 503, 504, 550, 551, 552, 553, 554, 555}


def of(answer: Answer) -> str:
    """Its name in a report."""
    return f"{answer.verb} {answer.said[:24]}"


@pytest.mark.parametrize("answer", TABLE, ids=of)
def test_each_answer_means_what_the_table_says(answer: Answer) -> None:
    """The state, whose fault it may be, what the connection comes to, and whether somebody gets a pause."""
    assert refuses_us(answer.verb, answer.code) == (answer.kind == "us")  # type: ignore[arg-type]
    if answer.kind == "us":
        return
    verdict = judged(answer.verb, answer.code, answer.text.format("taro@example.jp"), again=answer.again)  # type: ignore[arg-type]
    assert verdict.state == {"held": "refused", "rest": "deferred"}.get(answer.kind, answer.kind)
    assert (verdict.policy, verdict.closing) == (answer.kind == "held", answer.kind == "rest")
    assert "taro" not in verdict.reason
    assert verdict.reason.startswith(str(answer.code))
    whose = "receivers" if is_of_receivers(verdict.reason, answer.domain, HEAD_OF.get(answer.domain, answer.domain)) else "relay"
    assert answer.pause == (whose if is_about_pace(verdict) else "")


def test_the_table_has_every_code_of_the_standard() -> None:
    """By command, and all in all; 421 to each of them."""
    for verb, rows in (("MAIL", MAIL), ("RCPT", RCPT), ("DATA", DATA), (".", WHOLE)):
        assert {answer.verb for answer in rows} == {verb}
        assert BY_COMMAND[verb] | {421} <= {answer.code for answer in rows}, verb
    assert {answer.code for answer in TABLE} >= ALL
    assert len({(answer.verb, answer.said, answer.again) for answer in TABLE}) == len(TABLE)


def test_the_page_is_made_from_the_table() -> None:
    """`python -m tests.answers` was run after the last change."""
    assert PAGE.read_text("utf-8") == page()


@pytest.mark.parametrize("answer", [answer for answer in TABLE if answer.again], ids=of)
def test_only_a_mail_that_was_on_the_wire_before_can_be_there_already(answer: Answer) -> None:
    """The first time it is what its code says."""
    verdict = judged(answer.verb, answer.code, answer.text)  # type: ignore[arg-type]
    assert verdict.state == ("refused" if answer.code >= 500 else "deferred")


@pytest.mark.parametrize("text", ["5.7.1 duplicate Message-ID headers", "5.1.1 user unknown", "5.7.1 spam"])
def test_a_refusal_of_a_mail_that_comes_again_is_a_refusal(text: str) -> None:
    """Words that only sound alike do not make it one that was taken."""
    assert judged(".", 550, text, again=True).state == "refused"


@given(st.sampled_from(["MAIL", "RCPT", "DATA", "."]), st.integers(400, 599), st.text(max_size=80), st.booleans())
def test_an_error_is_never_taken_for_a_mail_that_was_taken(verb: str, code: int, text: str, again: bool) -> None:
    """Whatever its words, unless they say that the relay has it already; nothing temporary is for good."""
    verdict = judged(verb, code, text, again=again)  # type: ignore[arg-type]
    if not again:
        assert verdict.state == ("refused" if code >= 500 and (code != 552 or verb not in ("MAIL", "RCPT")) else "deferred")
    assert verdict.closing == (code == 421 and verdict.state == "deferred")
    assert len(verdict.reason) <= 300


@given(st.text(max_size=120), st.integers(200, 599))
def test_a_reason_is_one_line_without_addresses(text: str, code: int) -> None:
    """Whatever the relay says of whom."""
    reason = said(code, f"{text} <hanako@example.jp> {text}")
    assert "hanako@" not in reason
    assert "\n" not in reason
    assert "\t" not in reason


def test_a_lost_answer_is_unknown_and_ends_the_connection() -> None:
    """The one state that no code brings."""
    assert (lost("timed out").state, lost("timed out").closing, lost("x" * 900).reason[:35]) == ("unknown", True, "no answer after the last byte: xxxx")

"""The way out: RFC 8058 point by point, the button, and bodies that nobody should send."""

from typing import Any

from sqlalchemy import select

from publisher.db import Database
from publisher.links import leave_token
from publisher.tokens import Keys
from subscribers.models import Subscriber, Subscription
from tests.composing import NOW
from tests.readers import HANAKO, KEYS, TARO, consents, ids_of, join, lists, state_of
from tests.serving import Site, plain, site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
ONE_CLICKS: dict[str, dict[str, Any]] = {
    "urlencoded": {"data": ONE_CLICK},
    "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
    "no type": {"content": b"List-Unsubscribe=One-Click"},
    "with a line end": {"content": b"List-Unsubscribe=One-Click\r\n", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    "another type": {"content": b"List-Unsubscribe=One-Click", "headers": {"Content-Type": "text/plain"}},
}


def test_one_click_leaves_without_redirect_cookie_or_login(database: Database) -> None:
    """Section 3.2: the POST alone, without any context, is enough, in each form a provider sends; the answer is 200 and plain."""
    made = site(database)
    with made.browse() as client:
        for name, sent in ONE_CLICKS.items():
            join(database, HANAKO, rejoin=True)
            answer = client.post(f"/u/{made.token()}", **sent)
            plain(answer)
            assert (name, answer.status_code) == (name, 200)
            assert answer.headers["content-type"].startswith("text/plain")
            assert state_of(database, HANAKO) == "left"
            assert consents(database)[-1] == ("left", f"one-click, RFC 8058, issue {made.issue_id}")
    assert state_of(database, TARO) == "subscribed"


def test_one_click_again_is_the_same_answer_and_no_second_record(database: Database) -> None:
    """Providers send it twice, and after the button as well; a token never runs out."""
    made = site(database)
    with made.browse() as client:
        answers = [client.post(f"/u/{made.token()}", data=ONE_CLICK) for _time in range(3)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert [action for action, _wording in consents(database)].count("left") == 1


def test_looking_never_unsubscribes(database: Database) -> None:
    """Section 3.1: scanners follow links; they do not press buttons. Not even with the words of the one-click in the address."""
    made = site(database)
    with made.browse() as client:
        for method in ("GET", "HEAD", "GET"):
            answer = client.request(method, f"/u/{made.token()}?List-Unsubscribe=One-Click")
            assert answer.status_code == 200
            plain(answer)
    assert state_of(database, HANAKO) == "subscribed"


def test_only_the_list_of_the_mail_is_left(database: Database) -> None:
    made = site(database)
    lists(database, "daily", "weekly")
    join(database, HANAKO, "weekly")
    with made.browse() as client:
        client.post(f"/u/{made.token()}", data=ONE_CLICK)
    assert (state_of(database, HANAKO), state_of(database, HANAKO, "weekly")) == ("left", "subscribed")


def test_a_token_is_taken_in_capitals(database: Database) -> None:
    """Some mail servers and programs change the case of an address."""
    made = site(database)
    with made.browse() as client:
        assert client.post(f"/u/{made.token().upper()}", data=ONE_CLICK).status_code == 200
    assert state_of(database, HANAKO) == "left"


def test_a_wrong_token_changes_nothing_and_is_told_so(database: Database) -> None:
    made = site(database)
    right, (list_id, reader_id) = made.token(), ids_of(database, HANAKO)
    wrong = [right[:-1], right[:-1] + ("a" if right[-1] != "a" else "b"), Keys(["a stranger's key"]).sign("leave", list_id, reader_id, 1),
             KEYS.sign("bounce", list_id, reader_id, 1), KEYS.sign("leave", list_id, reader_id), "x" * 5000, "%00", "é", "..%2f..", "1"]
    with made.browse() as client:
        for token in wrong:
            for answer in (client.get(f"/u/{token}"), client.post(f"/u/{token}", data=ONE_CLICK)):
                assert answer.status_code == 404
                plain(answer)
    assert state_of(database, HANAKO) == "subscribed"


def test_the_link_of_somebody_erased_since_still_answers(database: Database) -> None:
    made = site(database)
    token = leave_token(KEYS, ids_of(database, HANAKO)[0], 4711, made.issue_id)
    with made.browse() as client:
        assert "not on this list any more" in client.get(f"/u/{token}").text
        assert client.post(f"/u/{token}", data=ONE_CLICK).status_code == 200


def test_strangers_wait_after_many_wrong_tokens_and_providers_never_do(database: Database) -> None:
    """A provider sends thousands of one-clicks from one address: a right token is never made to wait."""
    made = site(database)
    with made.browse() as client:
        codes = [client.post("/u/wrong", data=ONE_CLICK).status_code for _time in range(130)]
        assert codes[:120] == [404] * 120
        assert set(codes[120:]) == {429}
        assert client.post(f"/u/{made.token()}", data=ONE_CLICK).status_code == 200
    assert state_of(database, HANAKO) == "left"


# The button


def test_the_button_leaves_and_the_page_says_what_was_left(database: Database) -> None:
    made = site(database)
    with made.browse() as client:
        page = client.get(f"/u/{made.token()}")
        assert '<form method="post">' in page.text
        assert "h•••@example.jp" in page.text
        assert HANAKO not in page.text
        answer = client.post(f"/u/{made.token()}", content=b"", headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status_code == 200
        plain(answer)
        assert "You have left Example Morning" in answer.text.replace("<wbr>", "")
        assert "mailto:desk@news.example.jp" in answer.text
        assert "Leave this newsletter" not in client.get(f"/u/{made.token()}").text
    assert consents(database)[-1] == ("left", f"button on the leave page, issue {made.issue_id}")


def test_a_leave_link_is_kept_by_no_cache_and_no_search_engine(database: Database) -> None:
    made = site(database)
    with made.browse() as client:
        for answer in (client.get(f"/u/{made.token()}"), client.post(f"/u/{made.token()}", data=ONE_CLICK)):
            assert answer.headers["cache-control"] == "no-store"
            assert "noindex" in answer.headers["x-robots-tag"]
        assert "Disallow: /u/" in client.get("/robots.txt").text


def test_a_page_speaks_the_language_of_its_newsletter(database: Database) -> None:
    made = site(database, language="en", newsletter={"language": "ja", "title": "朝刊"})
    with made.browse() as client:
        assert '<html lang="ja">' in client.get(f"/u/{made.token()}").text
        assert '<html lang="en">' in client.get("/").text


# Bodies


def test_a_body_that_is_too_large_is_refused(database: Database) -> None:
    """By its word, by what comes, and as a file."""
    made = site(database)
    large: list[dict[str, Any]] = [
        {"content": b"x" * 70_000}, {"content": iter([b"x" * 40_000, b"x" * 40_000])}, {"files": {"List-Unsubscribe": ("file.txt", b"x" * 70_000)}},
        {"content": b"x", "headers": {"Content-Length": "99999999999999999999"}}]
    with made.browse() as client:
        for sent in large:
            answer = client.post(f"/u/{made.token()}", **sent)
            assert answer.status_code == 413
            plain(answer)
    assert state_of(database, HANAKO) == "subscribed"


FILE_FIELD = b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nc\r\n--x--\r\n'


def test_a_post_to_a_right_link_leaves_whatever_its_body(database: Database) -> None:
    """Somebody wants to leave; that the body is odd is no reason to keep them."""
    made = site(database)
    odd = [("multipart/form-data", b"List-Unsubscribe"), ("multipart/form-data; boundary=x", b"--x\r\nbroken"), ("application/json", b"{"),
           ("application/x-www-form-urlencoded", b"\xff=%zz&&="), ("multipart/form-data; boundary=x", FILE_FIELD)]
    with made.browse() as client:
        for kind, content in odd:
            join(database, HANAKO, rejoin=True)
            assert client.post(f"/u/{made.token()}", content=content, headers={"Content-Type": kind}).status_code == 200
            assert state_of(database, HANAKO) == "left"


def test_leaving_is_noted_at_the_moment_it_happened(database: Database) -> None:
    made: Site = site(database)
    with made.browse() as client:
        client.post(f"/u/{made.token()}", data=ONE_CLICK)
    with database.reading() as session:
        left = session.scalar(select(Subscription.left_at).join(Subscriber).where(Subscriber.address == HANAKO))
    assert left is not None
    assert (left - NOW).total_seconds() == 7200

"""A draft becomes frozen texts, once, in one transaction."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from publisher.approval import content_hash
from publisher.compose.drafting import compose_draft
from publisher.compose.preview import preview_issue
from publisher.curate.picking import add_pick
from publisher.db import Database
from publisher.errors import BadInput, PublisherError
from publisher.models import Edition, Issue, NewsletterRow, Pick, Post, Story, Telling
from publisher.text.slots import split_slots
from tests.composing import NOW, Newsroom, morning, settings, story

BOTH = ({"name": "x-main", "posts": "both", "max_posts": 2}, {"name": "sky", "network": "bluesky", "max_posts": 1})


def test_an_issue_is_composed_with_its_editions_posts_and_hash(database: Database) -> None:
    """The hash is of what stands in the rows, so that approval binds it."""
    issue, edition, posts = Newsroom(database, settings(accounts=BOTH)).composed(morning())
    assert issue.subject == edition.subject == "あおばモデル、重みを公開 カード1枚で動く400億パラメータ｜AI モーニング 第12号"
    assert (edition.audience, edition.language, issue.state) == ("all", "ja", "draft")
    assert [(post.about, post.position, post.state) for post in posts] == [("issue", 1, "queued"), 
        ("story", 2, "queued"), ("story", 3, "queued"), ("story", 1, "queued")]
    with database.reading() as session:
        assert issue.content_hash == content_hash(session, issue.id)
        assert session.scalar(select(func.count()).select_from(Telling).where(Telling.target_kind == "account")) == 3


def test_only_the_readers_own_links_differ_by_reader(database: Database) -> None:
    """Two slots in each part, none on the page, and the preview fills them."""
    newsroom = Newsroom(database, settings())
    issue, edition, _posts = newsroom.composed(morning())
    assert [name for _fixed, name in split_slots(edition.html) if name] == ["preferences_url", "leave_url"]
    assert [name for _fixed, name in split_slots(edition.text) if name] == ["preferences_url", "leave_url"]
    assert not [name for _fixed, name in split_slots(edition.page) if name]
    links = {"leave_url": "https://news.example.jp/u/hanako", "preferences_url": "https://news.example.jp/preferences/hanako"}
    for form in ("html", "text"):
        shown = preview_issue(database, newsroom.settings, issue.id, form, links)
        assert all(link in shown for link in links.values())


def test_composing_a_draft_again_replaces_it(database: Database) -> None:
    """The editor changed a name: nothing is there twice, and nothing is lost."""
    newsroom = Newsroom(database, settings(accounts=BOTH))
    issue, edition, posts = newsroom.composed(morning())
    newsroom.settings = settings(accounts=BOTH, newsletter={"title": "夕刊"})
    compose_draft(database, newsroom.settings, issue.id, NOW)
    again, second, more = newsroom.read(issue.id)
    assert "夕刊" in second.subject
    assert again.content_hash != issue.content_hash
    assert [(post.about, post.about_id) for post in more] == [(post.about, post.about_id) for post in posts]


def test_an_approved_issue_stays_as_it_was_approved(database: Database) -> None:
    """Only a draft is composed."""
    newsroom = Newsroom(database, settings())
    issue, edition, _posts = newsroom.composed(morning())
    with database.writing() as session:
        session.execute(update(Issue).values(state="approved"))
    with pytest.raises(PublisherError, match="cannot be composed"):
        compose_draft(database, newsroom.settings, issue.id, NOW)


def test_an_account_is_told_nothing_twice(database: Database) -> None:
    """What it told for another issue is passed over, and the next story has its place."""
    newsroom = Newsroom(database, settings(accounts=({"name": "x-main", "max_posts": 2},)))
    first, _edition, posts = newsroom.composed(morning())
    with database.writing() as session:
        session.execute(update(Issue).values(state="sent"))
        for telling in session.scalars(select(Telling).where(Telling.target_kind == "newsletter")):
            session.delete(telling)
    second = newsroom.draft([story("新しい記事")], number=13)
    with database.writing() as session:
        # The same stories once more, as after an editor's "again".
        for pick in session.scalars(select(Pick).where(Pick.issue_id == first.id)):
            session.add(Pick(issue_id=second, story_id=pick.story_id, position=pick.position + 1, section=None, snapshot=pick.snapshot, also=[]))
    compose_draft(database, newsroom.settings, second, NOW + timedelta(days=1))
    _issue, _second_edition, more = newsroom.read(second)
    assert {post.about_id for post in posts} & {post.about_id for post in more} == set()
    assert [post.text.splitlines()[0] for post in more][0] == "新しい記事"
    assert len(more) == 2


def test_posts_of_a_cancelled_issue_give_way(database: Database) -> None:
    """Its tellings are gone, its posts were never tried: the stories are told now."""
    newsroom = Newsroom(database, settings(accounts=({"name": "x-main"},)))
    _first, _edition, posts = newsroom.composed(morning()[:1])
    with database.writing() as session:
        session.execute(update(Issue).values(state="cancelled", number=-1))
        session.execute(update(Post).values(state="skipped"))
        session.execute(delete(Telling))
        again = Issue(newsletter_id=session.scalars(select(NewsletterRow.id)).one(), number=12, state="draft", created_at=NOW)
        session.add(again)
        session.flush()
        add_pick(session, again, session.scalars(select(Story)).one(), 1, NOW)
        session.flush()
        second = again.id
    compose_draft(database, newsroom.settings, second, NOW)
    _issue, _edition2, more = newsroom.read(second)
    assert [post.text for post in more] == [post.text for post in posts]


def test_a_template_of_the_newsroom_wins_file_by_file(database: Database, tmp_path: Path) -> None:
    """Its subject, our body."""
    (tmp_path / "ours" / "email" / "issue").mkdir(parents=True)
    (tmp_path / "ours" / "email" / "issue" / "subject.txt").write_text("【朝】{{ headline }}\n", "utf-8")
    issue, edition, _posts = Newsroom(database, settings(root=tmp_path, templates="ours")).composed(morning())
    assert issue.subject.startswith("【朝】あおばモデル")
    assert "目次" in edition.html


@pytest.mark.parametrize(("template", "line", "reason"), [
    ("{% if %}", 1, "Expected an expression"), ("\n\n{{ issue.nothing }}", 3, "has no attribute 'nothing'"), ("\n{{ 1 / 0 }}", 2, "division by zero"),
    ("{{ ''.__class__.__mro__ }}", 1, "unsafe")])
def test_a_broken_template_is_told_by_file_line_and_reason(database: Database, tmp_path: Path, template: str, line: int, reason: str) -> None:
    """One line for Taro, who wrote it; nothing is written to the database."""
    file = tmp_path / "ours" / "email" / "issue" / "body.txt"
    file.parent.mkdir(parents=True)
    file.write_text(template, "utf-8")
    newsroom = Newsroom(database, settings(root=tmp_path, templates="ours"))
    issue_id = newsroom.draft(morning())
    with pytest.raises(BadInput) as caught:
        compose_draft(database, newsroom.settings, issue_id, NOW)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Edition)) == 0
        assert session.get_one(Issue, issue_id).content_hash == ""

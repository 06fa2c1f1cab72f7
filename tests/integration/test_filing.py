"""From file to story: what changed, what was told, what is gone, and which story is which."""

from datetime import timedelta
from pathlib import Path

from publisher.db import Database
from tests.desks import NOW, TEXTS, Desk, counts, post, report, told

LATER = NOW + timedelta(hours=1)


def test_the_same_file_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    """Not a column, whether the file was touched or not."""
    desk = Desk.make(tmp_path, database)
    file = desk.write("report.md", report(told("chip"), told("court")))
    assert counts(desk.read_clean()) == {"read": 2, "new": 2}
    before = desk.everything()
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    file.touch()
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    file.write_text(file.read_text() + "\n\n")
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    assert desk.everything() == before


def test_a_story_has_all_that_its_file_says(database: Database, tmp_path: Path) -> None:
    """Origin, address in one spelling, source, day, and the word of a curated source."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    [story] = desk.stories()
    assert (story.origin, story.container, story.position) == ("stories/report.md#1", "stories/report.md", 1)
    assert (story.headline, story.section, story.date, story.language) == (TEXTS["chip"][0], "企業の動き", "2026-03-05", "ja")
    assert (story.source_name, story.canonical_url) == ("例通信", "https://wire.example.com/chip")
    assert (story.status, story.approved_at, story.approved_by) == ("approved", NOW, "source desk")
    assert story.fingerprint
    assert story.duplicate_group is None


def test_an_edited_story_is_updated_while_it_is_untold(database: Database, tmp_path: Path) -> None:
    """In place: the same id, and the other story is left as it was."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip"), told("court")))
    desk.read_clean()
    ids = desk.ids()
    desk.write("report.md", report(told("chip"), told("court", body=TEXTS["court"][1].replace("30日", "45日"))))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "updated": 1, "unchanged": 1}
    assert desk.ids() == ids
    chip, court = desk.stories()
    assert "45日" in court.body
    assert (chip.updated_at, court.updated_at, court.created_at) == (NOW, LATER, NOW)


def test_a_told_story_stays_as_it_was_told_and_its_change_is_noted_once(database: Database, tmp_path: Path) -> None:
    """Each content once, however often the file is read, and again when it changes again."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip"), told("court")))
    desk.read_clean()
    court = desk.story(TEXTS["court"][0])
    desk.tell(court.id)
    desk.write("report.md", report(told("chip"), told("court", body=TEXTS["court"][1].replace("30日", "45日"))))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "noted": 1, "unchanged": 1}
    file = desk.write("report.md", report(told("chip"), told("court", body=TEXTS["court"][1].replace("30日", "45日")) + "\n"))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    assert desk.changes() == [(court.id, "edited")]
    file.write_text(file.read_text().replace("45日", "60日"))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "noted": 1, "unchanged": 1}
    assert "30日" in desk.story(TEXTS["court"][0]).body


def test_an_edited_headline_is_no_second_story(database: Database, tmp_path: Path) -> None:
    """Its body tells that it is the same one."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip"), told("court"), told("school")))
    desk.read_clean()
    ids = desk.ids()
    desk.write("report.md", report(told("chip"), told("court", headline="3社に30日の猶予、裁判所が資料の提出を要求"), told("school")))
    assert counts(desk.read_clean(LATER)) == {"read": 3, "updated": 1, "unchanged": 2}
    assert desk.ids() == ids


def test_a_told_story_with_an_edited_headline_is_not_told_again_as_a_new_one(database: Database, tmp_path: Path) -> None:
    """Else readers would get it twice."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    [chip] = desk.stories()
    desk.tell(chip.id)
    desk.write("report.md", report(told("chip", headline="消費電力が6割減る推論チップを青葉研究所が発表")))
    assert counts(desk.read_clean(LATER)) == {"read": 1, "noted": 1}
    assert [story.id for story in desk.stories()] == [chip.id]


def test_a_story_put_on_top_shifts_no_ids(database: Database, tmp_path: Path) -> None:
    """The others move down a place and keep who they are, told or not."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip"), told("court")))
    desk.read_clean()
    chip, court = desk.stories()
    desk.tell(chip.id)
    desk.write("report.md", report(told("rice"), told("chip"), told("court")))
    assert counts(desk.read_clean(LATER)) == {"read": 3, "new": 1, "unchanged": 2}
    rice, *rest = desk.stories()
    assert rice.headline == TEXTS["rice"][0]
    assert [(story.id, story.origin) for story in rest] == [(chip.id, "stories/report.md#2"), (court.id, "stories/report.md#3")]
    assert desk.changes() == []


def test_stories_that_change_places_keep_their_ids(database: Database, tmp_path: Path) -> None:
    """Origins are unique at every moment, also while two are exchanged."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip"), told("court"), told("school")))
    desk.read_clean()
    chip, court, school = desk.stories()
    desk.write("report.md", report(told("school"), told("chip"), told("court")))
    assert counts(desk.read_clean(LATER)) == {"read": 3, "unchanged": 3}
    assert [story.id for story in desk.stories()] == [school.id, chip.id, court.id]
    assert [story.position for story in desk.stories()] == [1, 2, 3]


def test_a_story_that_its_file_no_longer_holds_is_withdrawn_and_comes_back(database: Database, tmp_path: Path) -> None:
    """With its id; of a told one it is noted that it went."""
    desk = Desk.make(tmp_path, database)
    whole = report(told("chip"), told("court"), told("school"))
    desk.write("report.md", whole)
    desk.read_clean()
    chip, court, school = desk.stories()
    desk.tell(court.id)
    desk.write("report.md", report(told("chip")))
    assert counts(desk.read_clean(LATER)) == {"read": 1, "unchanged": 1, "withdrawn": 2}
    assert [story.id for story in desk.stories()] == [chip.id]
    assert desk.story(TEXTS["school"][0]).withdrawn_at == LATER
    assert desk.changes() == [(court.id, "withdrawn")]
    desk.write("report.md", whole)
    desk.read_clean(LATER)
    assert [story.id for story in desk.stories()] == [chip.id, court.id, school.id]
    assert [story.origin for story in desk.stories()] == [f"stories/report.md#{place}" for place in (1, 2, 3)]


def test_the_stories_of_a_deleted_file_are_withdrawn(database: Database, tmp_path: Path) -> None:
    """And those of another file are not."""
    desk = Desk.make(tmp_path, database)
    gone, _kept = desk.write("a.md", report(told("chip"))), desk.write("b.md", report(told("court")))
    desk.read_clean()
    gone.unlink()
    assert counts(desk.read_clean(LATER)) == {"read": 1, "unchanged": 1, "withdrawn": 1}
    assert [story.headline for story in desk.stories()] == [TEXTS["court"][0]]
    assert counts(desk.read_clean(LATER)) == {"read": 1, "unchanged": 1}


def test_a_renamed_file_keeps_its_stories(database: Database, tmp_path: Path) -> None:
    """Nothing is told twice because somebody tidied up."""
    desk = Desk.make(tmp_path, database)
    file = desk.write("a.md", report(told("chip"), told("court")))
    desk.read_clean()
    before = [story.id for story in desk.stories()]
    file.rename(file.with_name("b.md"))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "unchanged": 2}
    assert [(story.id, story.origin) for story in desk.stories()] == [(before[0], "stories/b.md#1"), (before[1], "stories/b.md#2")]


def test_a_file_that_becomes_another_days_report_withdraws_the_old_stories(database: Database, tmp_path: Path) -> None:
    """`today.md` written anew: a told story is not mistaken for what stands in its place now."""
    desk = Desk.make(tmp_path, database)
    desk.write("today.md", report(told("chip"), told("court")))
    desk.read_clean()
    for story in desk.stories():
        desk.tell(story.id)
    desk.write("today.md", report(told("school"), told("rice")))
    assert counts(desk.read_clean(LATER)) == {"read": 2, "new": 2, "withdrawn": 2}


def test_an_excerpt_that_two_posts_share_says_nothing(database: Database, tmp_path: Path) -> None:
    """The lead becomes the summary of both, also of the one that was filed a day before."""
    desk = Desk.make(tmp_path, database)
    shared = "青葉研究所と見本地裁の話題をまとめました。"
    desk.write("one.md", post(TEXTS["chip"][0], TEXTS["chip"][1] + "青葉研究所が発表した。", excerpt=shared))
    desk.read_clean()
    assert desk.story(TEXTS["chip"][0]).summary == shared
    desk.write("two.md", post(TEXTS["court"][0], TEXTS["court"][1] + "見本地裁が公表した。", excerpt=shared))
    desk.read_clean(LATER)
    assert desk.story(TEXTS["chip"][0]).summary.startswith("新しい推論チップは1枚で90ワットしか使わない。")
    assert desk.story(TEXTS["court"][0]).summary.startswith("裁判長は被告の3社に対し")


def test_a_told_post_keeps_its_summary_when_another_shares_its_excerpt(database: Database, tmp_path: Path) -> None:
    """What was told stays as it was told."""
    desk = Desk.make(tmp_path, database)
    shared = "青葉研究所と見本地裁の話題をまとめました。"
    desk.write("one.md", post(TEXTS["chip"][0], TEXTS["chip"][1] + "青葉研究所が発表した。", excerpt=shared))
    desk.read_clean()
    desk.tell(desk.story(TEXTS["chip"][0]).id)
    desk.write("two.md", post(TEXTS["court"][0], TEXTS["court"][1] + "見本地裁が公表した。", excerpt=shared))
    desk.read_clean(LATER)
    assert desk.story(TEXTS["chip"][0]).summary == shared


def test_a_copy_of_a_post_does_not_prove_its_excerpt_empty(database: Database, tmp_path: Path) -> None:
    """The same post in two places is one post."""
    desk = Desk.make(tmp_path, database)
    excerpt = "青葉研究所の推論チップは90ワットで動く。"
    for name in ("one.md", "copy.md"):
        desk.write(name, post(TEXTS["chip"][0], TEXTS["chip"][1] + "青葉研究所が発表した。", excerpt=excerpt))
    desk.read_clean()
    assert {story.summary for story in desk.stories()} == {excerpt}


def test_what_front_matter_hides_in_escapes_is_no_harm(database: Database, tmp_path: Path) -> None:
    """Characters that no database takes, and those that turn a line around, never reach it."""
    desk = Desk.make(tmp_path, database)
    desk.write("odd.md", post(r"推論チップ\0の話\u202e", TEXTS["chip"][1], excerpt=r"90ワット\0の新しい推論チップ"))
    desk.write("half.md", post(r"半分の字\uD800", TEXTS["rice"][1]))
    desk.write("good.md", report(told("court")))
    desk.read()
    assert desk.story(TEXTS["court"][0])
    assert desk.story("推論チップ").headline == "推論チップの話"

"""Reading folders and files named by hand: what is looked at, what is refused, and by whose rules stories are filed."""

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.db import Database
from publisher.errors import PublisherError
from publisher.ingest.filing import IngestReport
from publisher.ingest.reading import read_sources
from tests.desks import DESK, NOW, TEXTS, Desk, counts, post, report, told

LATER = NOW + timedelta(hours=1)
CHIP, COURT, SCHOOL, RICE = (TEXTS[name][0] for name in ("chip", "court", "school", "rice"))
NO_TEXT = b"\x89PNG\r\n\x1a\n" + bytes(64)
BAD = {
    "empty.md": (b" \n\n", None, "empty"),
    "picture.txt": (NO_TEXT, None, "binary"),
    "huge.md": (b"a" * (5 * 1024 * 1024 + 1), None, "larger than 5 MB"),
    "cyrillic.txt": ("Заголовок\n\nПривет, мир. Это текст.".encode("cp1251"), 1, "unknown encoding"),
    "front.md": (b"---\nlayout: post\ntitle: one: two\n---\nbody\n", 3, "front matter"),
    "date.md": (report(told("rice", day="2026-02-30")).encode(), 6, "2026-02-30"),
}


def test_each_bad_file_is_told_with_line_and_reason_and_the_others_are_read(database: Database, tmp_path: Path) -> None:
    """And told again, in the same words, as long as it is bad."""
    desk = Desk.make(tmp_path, database)
    for name, (data, _line, _says) in BAD.items():
        desk.write(name, data)
    desk.write("good.md", report(told("chip")))
    first = desk.read()
    problems = {problem.where: problem for problem in first.problems}
    assert set(problems) == {f"stories/{name}" for name in BAD}
    for name, (_data, line, says) in BAD.items():
        problem = problems[f"stories/{name}"]
        assert says in problem.reason, problem
        assert line is None or problem.line == line, problem
        assert "\n" not in str(problem)
    # A date that is none costs the date only.
    assert {story.headline: story.date for story in desk.stories()} == {CHIP: "2026-03-05", RICE: None}
    assert desk.source().last_problem == str(first.problems[0])
    again = desk.read(LATER)
    assert again.problems == first.problems
    assert counts(again) == {"read": 2, "unchanged": 2}


def test_a_mended_file_is_refused_no_more(database: Database, tmp_path: Path) -> None:
    """Its stories come, and the source forgets its problem."""
    desk = Desk.make(tmp_path, database)
    desk.write("front.md", BAD["front.md"][0])
    assert len(desk.read().problems) == 1
    desk.write("front.md", report(told("chip")))
    assert counts(desk.read_clean(LATER)) == {"read": 1, "new": 1}
    assert desk.source().last_problem is None


def test_a_file_that_becomes_unreadable_keeps_its_stories(database: Database, tmp_path: Path) -> None:
    """A slip of the pen withdraws nothing."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    desk.write("report.md", NO_TEXT)
    assert len(desk.read(LATER).problems) == 1
    assert [story.headline for story in desk.stories()] == [CHIP]


def test_what_editors_leave_beside_a_file_is_no_story(database: Database, tmp_path: Path) -> None:
    """Hidden files, temporary ones, other kinds; folders within are read."""
    desk = Desk.make(tmp_path, database)
    for name in (".hidden.md", "report.md~", "report.md.swp", "report.md.tmp", "#report.md#", "report.md.part", "picture.png", ".git/notes.md"):
        desk.write(name, report(told("court")))
    desk.write("2026/03/report.markdown", report(told("chip")))
    desk.read_clean()
    assert [story.origin for story in desk.stories()] == ["stories/2026/03/report.markdown#1"]


def test_no_link_leads_out_of_the_folder(database: Database, tmp_path: Path) -> None:
    """Neither to a file nor to a folder, and a link to the folder itself is no circle."""
    desk = Desk.make(tmp_path, database)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "secret.md").write_text(report(told("court")), "utf-8")
    (tmp_path / "stories" / "linked").symlink_to(tmp_path / "private")
    (tmp_path / "stories" / "linked.md").symlink_to(tmp_path / "private" / "secret.md")
    (tmp_path / "stories" / "again").symlink_to(tmp_path / "stories")
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    assert [story.headline for story in desk.stories()] == [CHIP]


def test_an_unchanged_file_is_not_opened(database: Database, tmp_path: Path) -> None:
    """Same size and time: other bytes in it are not even seen."""
    desk = Desk.make(tmp_path, database)
    file = desk.write("report.md", report(told("chip")))
    desk.read_clean()
    stat = file.stat()
    file.write_bytes(b"\0" * stat.st_size)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(desk.read_clean(LATER)) == {"read": 1, "unchanged": 1}


def test_a_folder_that_is_not_there_today_withdraws_nothing(database: Database, tmp_path: Path) -> None:
    """A disk may come back; it is a problem until then."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    (tmp_path / "stories").rename(tmp_path / "elsewhere")
    [problem] = desk.read(LATER).problems
    assert problem.where == str(tmp_path / "stories")
    assert [story.headline for story in desk.stories()] == [CHIP]


def test_the_first_reading_keeps_old_items_in_the_archive(database: Database, tmp_path: Path) -> None:
    """Older than the widest window. What comes later is news, and so is an undated file."""
    desk = Desk.make(tmp_path, database, more='[[newsletters]]\nname = "monthly"\nlist = "daily"\nwindow = "3w"\n')
    desk.write("old.md", report(told("chip", day="2026-01-05"), told("court", day="2026-02-14"), told("school", day="2026-02-10")))
    desk.write("undated.txt", f"{RICE}\n\n{TEXTS['rice'][1]}\n")
    assert counts(desk.read_clean()) == {"read": 4, "new": 4, "archived": 2}
    assert {story.headline: story.status for story in desk.stories()} == {
        CHIP: "archive", COURT: "approved", SCHOOL: "archive", RICE: "approved"}
    assert desk.story(CHIP).approved_at is None
    desk.write("late.md", report(told("rice", headline="去年の米の話", body="倉庫に残った袋を数え直した。", day="2025-10-01")))
    assert counts(desk.read_clean(LATER)) == {"read": 5, "new": 1, "unchanged": 4}
    assert desk.story("去年の米の話").status == "approved"


def test_stories_of_a_source_that_is_not_curated_wait_for_an_editor(database: Database, tmp_path: Path) -> None:
    """In the inbox, approved by nobody; an edit changes nothing of an editor's word."""
    desk = Desk.make(tmp_path, database, {**DESK, "curated": False})
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    [story] = desk.stories()
    assert (story.status, story.approved_at, story.approved_by) == ("inbox", None, None)
    with database.writing() as session:
        session.merge(story).status = "rejected"
    desk.write("report.md", report(told("chip", body=TEXTS["chip"][1] + "追記。")))
    desk.read_clean(LATER)
    assert [story.status for story in desk.stories()] == ["rejected"]


def test_a_source_gives_its_defaults_and_its_rights(database: Database, tmp_path: Path) -> None:
    """A section and a language only where the story has none; rights of a folder are our own unless it says otherwise."""
    desk = Desk.make(tmp_path, database, {**DESK, "section": "その他", "language": "fr", "weight": 2.5})
    desk.write("report.md", report(told("chip")))
    desk.write("plain.txt", "Aube ouvre son modèle\n\nLe laboratoire Aube a publié les poids de son modèle.\n")
    desk.read_clean()
    plain, chip = desk.stories()
    assert (plain.section, plain.language, plain.weight, plain.rights) == ("その他", "fr", 2.5, "own")
    assert (chip.section, chip.language) == ("企業の動き", "ja")


def test_rights_follow_the_settings_at_once_also_under_another_name(database: Database, tmp_path: Path) -> None:
    """What was filed before may be shown only as far as the settings say today; the text is not filed a second time."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(told("chip")))
    desk.read_clean()
    [before] = desk.stories()
    for source in ({**DESK, "rights": "summary"}, {**DESK, "name": "agency", "rights": "own"}, {**DESK, "name": "wire", "rights": "summary"}):
        Desk.make(tmp_path, database, source).read_clean(LATER)
        [story] = desk.stories()
        assert (story.id, story.rights) == (before.id, source["rights"])
        assert story.source_id == desk.source(str(source["name"])).id


def test_one_source_may_be_read_alone_and_an_unknown_one_is_refused(database: Database, tmp_path: Path) -> None:
    """With the names that there are."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.md").write_text(report(told("court")), "utf-8")
    desk = Desk.make(tmp_path, database, DESK, {**DESK, "name": "other", "path": "other"})
    desk.write("a.md", report(told("chip")))
    assert counts(read_sources(database, desk.settings, NOW, names=["other"])) == {"read": 1, "new": 1}
    assert [story.headline for story in desk.stories()] == [COURT]
    with pytest.raises(PublisherError, match="desk, other"):
        read_sources(database, desk.settings, NOW, names=["wire"])


def test_a_source_within_anothers_folder_has_its_own_rules(database: Database, tmp_path: Path) -> None:
    """The inner one: nothing is read twice."""
    desk = Desk.make(tmp_path, database, DESK, {**DESK, "name": "raw", "path": "stories/raw", "curated": False})
    desk.write("a.md", report(told("chip")))
    desk.write("raw/b.md", report(told("court")))
    assert counts(desk.read_clean()) == {"read": 2, "new": 2}
    assert {story.headline: story.status for story in desk.stories()} == {CHIP: "approved", COURT: "inbox"}


def test_a_file_named_by_hand_is_read_whatever_its_suffix_and_age(database: Database, tmp_path: Path) -> None:
    """An editor who names a file means it: approved, never in the archive."""
    desk = Desk.make(tmp_path, database)
    file = tmp_path / "note.draft"
    file.write_text(report(told("chip", day="2019-05-01")), "utf-8")
    assert counts(desk.read_named(file)) == {"read": 1, "new": 1}
    [story] = desk.stories()
    assert (story.origin, story.status, story.approved_by, story.rights) == ("note.draft#1", "approved", "by hand", "own")
    assert counts(desk.read_named(file, now=LATER)) == {"read": 1, "unchanged": 1}


def test_files_named_by_hand_may_wait_in_the_inbox(database: Database, tmp_path: Path) -> None:
    """With `--inbox`, also those of a curated source."""
    desk = Desk.make(tmp_path, database)
    outside = tmp_path / "outside.md"
    outside.write_text(report(told("chip")), "utf-8")
    desk.read_named(outside, desk.write("inside.md", report(told("court"))), inbox=True)
    assert {story.headline: story.status for story in desk.stories()} == {CHIP: "inbox", COURT: "inbox"}


def test_a_named_file_inside_a_source_belongs_to_it(database: Database, tmp_path: Path) -> None:
    """By its rules, and the next reading of the source finds nothing new."""
    desk = Desk.make(tmp_path, database, {**DESK, "curated": False, "rights": "summary"})
    file = desk.write("report.md", report(told("chip")))
    desk.read_named(file)
    [story] = desk.stories()
    assert (story.status, story.rights, story.source_id) == ("inbox", "summary", desk.source().id)
    assert counts(desk.read_clean(LATER)) == {"read": 1, "unchanged": 1}


def test_a_named_folder_is_walked_and_what_is_missing_is_told(database: Database, tmp_path: Path) -> None:
    """A path that leads nowhere stops nothing. Outside the folder of publisher.toml the origin is absolute."""
    (tmp_path / "room").mkdir()
    desk = Desk.make(tmp_path / "room", database)
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text(report(told("chip")), "utf-8")
    (folder / "a.png").write_bytes(NO_TEXT)
    found = desk.read_named(tmp_path / "nowhere.md", tmp_path / "elsewhere")
    assert [(problem.where, problem.reason) for problem in found.problems] == [(str(tmp_path / "nowhere.md"), "there is no such file")]
    assert list(desk.ids()) == [f"{folder / 'a.md'}#1"]


def test_two_readings_at_once_file_each_story_once(database: Database, tmp_path: Path) -> None:
    """One waits for the other, and then finds nothing new."""
    desk = Desk.make(tmp_path, database)
    for number in range(8):
        desk.write(f"{number}.md", report(told("chip", headline=f"{CHIP}（{number}）")))
    reports: list[IngestReport] = []
    readers = [threading.Thread(target=lambda: reports.append(desk.read())) for _each in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sorted(report.new for report in reports) == [0, 0, 8]
    assert len(desk.stories()) == 8


def test_more_files_than_one_transaction_takes_are_all_read(database: Database, tmp_path: Path) -> None:
    """Progress is told file by file and ends at the last one; bad ones among them cost nothing but themselves."""
    desk = Desk.make(tmp_path, database)
    for number in range(230):
        desk.write(f"{number:03}.md", NO_TEXT if number == 120 else post(f"{CHIP}（{number}）", TEXTS["chip"][1]))
    seen: list[tuple[str, int, int]] = []
    found = read_sources(database, desk.settings, NOW, progress=lambda name, done, total: seen.append((name, done, total)))
    assert counts(found) == {"read": 229, "new": 229}
    assert [problem.where for problem in found.problems] == ["stories/120.md"]
    assert seen[-1] == ("desk", 230, 230)


def test_the_real_documents_are_eighteen_stories_and_the_same_again(database: Database, tmp_path: Path, seeds: Path) -> None:
    """15 + 1 + 1 + 1; dated months before, they are the archive of a first reading, and named by hand they are news."""
    desk = Desk.make(tmp_path, database)
    for seed in seeds.iterdir():
        desk.write(seed.name, seed.read_bytes())
    assert counts(desk.read_clean())["new"] == 18
    before = desk.everything()
    assert counts(desk.read_clean(LATER)) == {"read": 18, "unchanged": 18}
    assert desk.everything() == before
    assert all(story.status == "archive" for story in desk.stories() if story.date)


def test_the_samples_are_news_on_their_day(database: Database, tmp_path: Path) -> None:
    """All of them approved, in five sections, each with words of its own as its summary."""
    desk = Desk.make(tmp_path, database)
    for sample in (Path(__file__).parents[2] / "samples" / "stories").iterdir():
        desk.write(sample.name, sample.read_bytes())
    assert counts(desk.read_clean()) == {"read": 17, "new": 17}
    stories = desk.stories()
    assert {story.status for story in stories} == {"approved"}
    assert len({story.section for story in stories if story.section}) == 5
    assert len({story.summary for story in stories}) == 17
    assert all(len(story.summary) >= 20 for story in stories)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(TEXTS)), min_size=1, unique=True), st.lists(st.sampled_from(sorted(TEXTS)), min_size=1, unique=True))
def test_whatever_is_cut_added_or_moved_the_file_is_what_stands_there(
    database: Database, tmp_path: Path, before: list[str], after: list[str]
) -> None:
    """Places count from one, no id is lost that still has its text, and reading again changes nothing."""
    desk = Desk.make(tmp_path, database)
    desk.write("report.md", report(*map(told, before)))
    desk.read_clean()
    ids = {story.headline: story.id for story in desk.stories()}
    desk.write("report.md", report(*map(told, after)) + "\n\n")
    desk.read_clean(LATER)
    stories = desk.stories()
    assert [story.headline for story in stories] == [TEXTS[name][0] for name in after]
    assert [story.origin for story in stories] == [f"stories/report.md#{place + 1}" for place in range(len(after))]
    kept = [story for story in stories if story.headline in ids and len(set(before) & set(after)) > 0]
    assert all(story.id == ids[story.headline] for story in kept)
    assert desk.read_clean(LATER).unchanged == len(after)

"""Which story of a file is which story of before."""

from publisher.ingest.draft import Draft
from publisher.ingest.matching import Known, match
from tests.stories import own_words


def draft(number: int, *, headline: str | None = None, body: str | None = None) -> Draft:
    """A story with words of its own."""
    return Draft(headline=headline or own_words(number, 14), body=body or own_words(1000 + number))


def known(number: int, position: int, *, told: bool = False, withdrawn: bool = False) -> Known:
    """The same story as it was filed, with its number as its id."""
    story = draft(number)
    return Known(number, position, story.headline, story.body, f"hash {number}", told=told, withdrawn=withdrawn)


def ids(drafts: list[Draft], before: list[Known], hashes: list[str] | None = None) -> list[int | None]:
    """The id of each draft's story."""
    found = match(drafts, hashes or [f"new hash {index}" for index in range(len(drafts))], before)
    return [entry.known.id if entry else None for entry in found]


def test_what_did_not_change_is_known_by_its_hash_wherever_it_stands() -> None:
    """No text is compared."""
    assert ids([draft(2), draft(1)], [known(1, 1), known(2, 2)], ["hash 2", "hash 1"]) == [2, 1]


def test_headline_or_body_alone_tells() -> None:
    """One may be written anew."""
    assert ids([draft(1, headline=own_words(77, 14)), draft(2, body=own_words(88))], [known(2, 1), known(1, 2)]) == [1, 2]


def test_the_best_match_wins_and_none_is_taken_twice() -> None:
    """A copy on top of its original is the new one."""
    again = draft(1, body=own_words(1001) + "あとで書きたした文。")
    assert ids([again, draft(1)], [known(1, 1)]) == [None, 1]


def test_a_story_written_anew_keeps_its_place_among_others() -> None:
    """Where the others stayed, and it was not told yet."""
    assert ids([draft(1), draft(50), draft(3)], [known(1, 1), known(2, 2), known(3, 3)]) == [1, 2, 3]
    assert ids([draft(1), draft(50), draft(3)], [known(1, 1), known(2, 2, told=True), known(3, 3)]) == [1, None, 3]


def test_a_file_of_nothing_but_other_stories_is_another_edition() -> None:
    """Places prove nothing then; neither does the place of a story that was withdrawn."""
    assert ids([draft(51), draft(52)], [known(1, 1), known(2, 2)]) == [None, None]
    assert ids([draft(51)], [known(1, 1, withdrawn=True)]) == [None]


def test_hundreds_that_changed_at_once_are_matched_near_their_places() -> None:
    """Quickly: not each with each."""
    drafts = [draft(number, headline=own_words(5000 + number, 14)) for number in range(1, 301)]
    assert ids(drafts, [known(number, number) for number in range(1, 301)]) == list(range(1, 301))

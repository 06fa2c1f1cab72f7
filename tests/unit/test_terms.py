"""What a search compares: pairs of Japanese characters and whole words, the same for index and query, and no query breaks anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.text.terms import folded, marked, terms, wanted


def holds(text: str, query: str) -> bool:
    """Whether an index of terms with their places finds the query in the text: the plainest search there can be."""
    found = terms(text)

    def stands(want, at: int) -> bool:
        here = found[at:at + len(want.terms)]
        return (len(here) == len(want.terms) and here[:-1] == list(want.terms[:-1])
                and (here[-1].startswith(want.terms[-1]) if want.begins else here[-1] == want.terms[-1]))

    return bool(wanted(query)) and all(any(stands(want, at) for at in range(len(found))) for want in wanted(query))


@pytest.mark.parametrize(("text", "query"), [
    ("楽天、東京に新しい拠点", "楽天"), ("楽天、東京に新しい拠点", "東京"), ("楽天、東京に新しい拠点", "京"), ("音楽", "楽"), ("楽", "楽"),
    ("楽天市場のAI語", "ＡＩ語"), ("AIで楽天が変わる", "AIで楽天"), ("楽天AI", "楽天ai"), ("ｶﾞﾗｽの板", "ガラス"), ("ガラスの板", "ｶﾞﾗｽ"), ("が", "か\u3099"),
    ("OPEN weights", "open"), ("Straße", "STRASSE"), ("GPT-5 arrives", "gpt-5"), ("4000億", "４０００億"), ("models of the day", "model"),
    ("machine learning in Tokyo", '"machine learning"'), ("機械 学習の本", "「機械 学習」"), ("人工知能の学習", "学習 知能"), ("한국어 모델", "국어"),
    ("コーヒー々〆", "ーヒー々"), ("naïve café", "CAFÉ"), ("C++ and Rust", "c")])
def test_what_is_there_is_found(text: str, query: str) -> None:
    assert holds(text, query)


@pytest.mark.parametrize(("text", "query"), [
    ("東京と京都", "東京都"), ("fresh air", "AI"), ("learning a machine", '"machine learning"'), ("楽天", "天楽"), ("aim", "ai"), ("Rustic", "rus"),
    ("楽天", ""), ("楽天", "「」 !? ・"), ("東京", "大")])
def test_what_is_not_there_is_not_found(text: str, query: str) -> None:
    assert not holds(text, query)


def test_marks_stand_where_the_words_do() -> None:
    parts = marked("楽天市場のＡＩ語、ｶﾞﾗｽ models air", wanted("楽天 ガラス AI model"))
    assert [words for words, hit in parts if hit] == ["楽天", "ＡＩ", "ｶﾞﾗｽ", "model"]
    assert "".join(words for words, _hit in parts) == "楽天市場のＡＩ語、ｶﾞﾗｽ models air"


@given(st.text(max_size=80))
def test_every_text_is_found_by_each_of_its_own_words(text: str) -> None:
    """Whatever stands in a text, a reader who copies a part of it finds it again."""
    for word in folded(text).split()[:12]:
        if wanted(word) and not set(word) & set('"“”„«»「」『』'):
            assert holds(text, word)


@given(st.text(max_size=300), st.text(max_size=120))
def test_no_query_raises_and_terms_hold_letters_and_digits_only(text: str, query: str) -> None:
    """Neither database's own query language can be reached: no quotation mark, no operator, no space."""
    assert all(letter.isalnum() or not letter.isascii() for want in wanted(query) for term in want.terms for letter in term)
    assert all(term and not term.isspace() and "'" not in term and "\\" not in term for term in terms(text))
    assert len(wanted(query)) <= 12
    assert "".join(words for words, _hit in marked(text, wanted(query))) == text


def test_ten_thousand_characters_are_no_trouble() -> None:
    assert len(wanted("あ" * 10_000)) == 1
    assert len(wanted("a " * 5_000 + '"' * 500)) == 1
    assert all(len(term) <= 64 for term in terms("x" * 10_000))

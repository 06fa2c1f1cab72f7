"""A post begins with the fact that tells the most."""

import pytest

from publisher.compose.figures import strength
from publisher.compose.telling import ranked, telling_fact, telling_line


def _facts(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"label": label, "value": value} for label, value in pairs]


def _story(headline: str, facts: list[dict[str, str]], summary: str = "", language: str = "ja") -> dict[str, object]:
    return {"headline": headline, "facts": facts, "summary": summary, "language": language}


@pytest.mark.parametrize(("stronger", "weaker"), [
    ("50億ドルの資金調達", "前世代比で10倍の性能"),
    ("前世代比で10倍の性能", "50%の値下げ"), ("50%の値下げ", "20,000社以上"), ("20,000社以上", "30TBの共有メモリ"),
    ("30TBの共有メモリ", "1分以内で完了"), ("1分以内で完了", "世界的な広がり"), ("52%", "1本あたり0.3円"), ("$5.2 billion", "3.5 times faster"),
    ("40 billion parameters", "30 days"), ("30日以内", "3社")])
def test_money_multiples_shares_counts_measures_and_times_in_that_order(stronger: str, weaker: str) -> None:
    """What would stand in a headline first."""
    assert strength(stronger) > strength(weaker)


@pytest.mark.parametrize("text", [
    "2025年12月2日", "GPT-5.2", "Gemini 3、Claude Opus 4.5の競争力", "GB200 Blackwell NVL72構成", "o1シリーズは高い評価", "2026", "version 3.2.1"])
def test_days_and_versions_measure_nothing(text: str) -> None:
    """A figure in a name is no figure."""
    assert strength(text) == 0


def test_the_telling_fact_is_the_strongest_and_none_without_a_figure() -> None:
    """The earlier of two that tell as much."""
    facts = _facts(("構成", "72個のGPU"), ("性能", "10倍"), ("速さ", "8倍"))
    assert telling_fact(facts) == facts[1]
    assert telling_fact(_facts(("目的", "効率的な学習"), ("発令時期", "2025年12月2日"))) is None
    assert telling_fact([]) is None


def test_a_value_that_speaks_for_itself_needs_no_label() -> None:
    """「前世代比で10倍の性能向上」 does, 「20,000社以上」 does not."""
    assert telling_line(_story("新しい計算機", _facts(("比較対象", "前世代比で10倍の性能向上")))) == "前世代比で10倍の性能向上"
    assert telling_line(_story("新しい会社", _facts(("顧客数", "20,000社以上")))) == "顧客数：20,000社以上"
    assert telling_line(_story("A price", _facts(("Price", "50% lower")), language="en")) == "Price: 50% lower"


def test_a_sentence_of_the_summary_speaks_where_its_figure_is_stronger() -> None:
    """Fifty hundred million dollars before twenty thousand customers."""
    line = telling_line(_story("Databricksの資金調達計画", _facts(("顧客数", "20,000社以上")),
                               "Databricksは50億ドルの資金調達を交渉中だ。時期は未定である。"))
    assert line == "Databricksは50億ドルの資金調達を交渉中だ。"


def test_what_the_headline_says_already_is_not_said_twice() -> None:
    """Then the headline is the fact."""
    assert telling_line(_story("推論の料金を50%値下げ", _facts(("値下げ幅", "50%")))) is None


def test_facts_of_a_mail_begin_with_the_telling_one_and_keep_their_order_otherwise() -> None:
    """At most as many as asked for; those that tell least stay out."""
    facts = _facts(("目的", "学習"), ("構成", "72個"), ("性能", "10倍"), ("時間", "30分"))
    assert [fact["label"] for fact in ranked(facts, 3)] == ["性能", "構成", "時間"]

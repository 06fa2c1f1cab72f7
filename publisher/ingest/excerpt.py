"""Tells an excerpt that says something of the story from boilerplate that would fit any post."""

import re
import unicodedata

# Words that name nothing: every excerpt of a technology blog has them.
_COMMON = re.compile(
    "最新|技術|動向|市場|分析|情報|業界|解説|紹介|注目|話題|本記事|記事|今回|重要|詳細|徹底|詳し|企業|開発|戦略|影響|今後|展望|世界|日本|未来|社会|活用|導入|研究|分野|変化|進化|革新|発表|公開|課題|可能性|方法|基本|入門|初心者|専門家|専門|視点|観点|背景|概要"
    "|要約|主要|毎日|毎週|今日|本日|今週|昨日|皆様|読者|内容|現在|人工知能|生成|国内|海外|成長|競争|激化|台頭|登場|提供|報告|速報|一覧|特集|網羅|届|伝|新着|知識|実践|実用|事例|価値|理解|必見|総|編集部|日々|全体|全般|多様|様々|幅広|関連|向上|性能|製品"
    "|ニュース|テクノロジー|ビジネス|トレンド|サービス|モデル|レポート|ポイント|ブログ|サイト|ページ|メディア|コンテンツ|システム|データ|ツール|インサイト|アップデート|ハイライト|マーケット|イノベーション|デジタル|ソリューション|エンジニア|まとめ"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.+'’-]*[A-Za-z0-9+]|[ァ-ヶー]{3,}|[一-龠々]{2,}|\d[\d,.]*[%％円億万兆倍件社人台年月ドル]?")
_COMMON_WORDS = (
    "ai it dx ict ml llm the and for with from that this these those your our you we us are is was were be been has have had will"
    " can may not all any its their his her in on at of to by as or an a"
    " latest news update updates technology technologies tech trend trends insight insights market markets analysis article"
    " articles post posts blog read more about learn here what when how why who which daily weekly"
    " monthly today week welcome discover explore into new most important industry business company companies world future"
    " development developments stories story report reports summary overview guide best top"
    " bring brings bringing get stay informed everything need know artificial intelligence machine learning model models data"
    " digital innovation"
)
_COMMON_ENGLISH = frozenset(_COMMON_WORDS.split())


def says_something(excerpt: str, title: str, body: str) -> bool:
    """Whether `excerpt` names anything that title or body name: a product, a person, a figure, a matter of its own. The rest is boilerplate."""
    if len(excerpt) < 8:
        return False
    there = unicodedata.normalize("NFKC", f"{title}\n{body}").casefold()
    return any(name in there for name in _names(excerpt))


def _names(text: str) -> set[str]:
    text = _COMMON.sub(" ", unicodedata.normalize("NFKC", text))
    found = (name.casefold() for name in _NAME.findall(text))
    return {name for name in found if name not in _COMMON_ENGLISH and not (name.isascii() and name.isdigit() and len(name) < 2)}

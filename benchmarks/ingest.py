"""How fast a folder of posts is read, and how little an unchanged one costs: `python -m benchmarks.ingest [--posts N] [--chars N] [--json]`.

The real command reads them, twice, in a process of its own, whose peak memory is measured. The yardstick parses the same files in this run with
python-frontmatter and markdown-it alone, so that the ratio can be compared from machine to machine.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import frontmatter
from markdown_it import MarkdownIt

MOST_FOR_UNCHANGED = 0.1
_ROOT = Path(__file__).parent.parent
_SETTINGS = """\
[site]
url = "http://127.0.0.1:8000"
[mail]
sender = "news@news.example.jp"
[[sources]]
name = "posts"
kind = "folder"
path = "posts"
curated = true
[[lists]]
name = "daily"
[[newsletters]]
name = "morning"
list = "daily"
"""
_SUBJECTS = ["青葉研究所", "港北大学", "みなとクラウド", "さくら精機", "北斗セミコン", "ハコブネ", "ことのは社", "雪国電力", "例示新聞", "見本市役所"]
_OBJECTS = ["推論チップ", "言語モデル", "検査ロボット", "データセンター", "翻訳サービス",
            "音声認識", "学習データ", "評価の手引き", "料金体系", "省電力技術"]
_VERBS = ["公開した", "引き下げた", "量産を始めた", "検証した", "発表した", "取り入れた", "見直した", "広げる計画だ", "買収した", "改良した"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 1 where an unchanged reading costs too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--posts", type=int, default=2500)
    parser.add_argument("--chars", type=int, default=15_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="publisher-ingest-") as name:
        figures = measure(Path(name), options.posts, options.chars)
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"{figures['posts']} posts of {options.chars} characters: {figures['seconds']:.1f} s, {figures['posts_per_second']:.0f} posts/s, "
              f"peak memory {figures['peak_megabytes']:.0f} MB")
        print(f"unchanged, second reading: {figures['unchanged_seconds']:.2f} s, {figures['unchanged_share']:.3f} of the first "
              f"(must be under {MOST_FOR_UNCHANGED}); {figures['start_seconds']:.2f} s of it are the start of the program")
        print(f"yardstick (front matter and Markdown parsed, nothing kept): {figures['yardstick_seconds']:.1f} s, "
              f"this program takes {figures['times_yardstick']:.2f} times that")
    return 0 if figures["unchanged_share"] < MOST_FOR_UNCHANGED else 1


def measure(folder: Path, posts: int, chars: int) -> dict[str, float]:
    """The figures for `posts` generated posts of `chars` characters in `folder`."""
    (folder / "posts").mkdir()
    (folder / "publisher.toml").write_text(_SETTINGS, "utf-8")
    for number in range(posts):
        (folder / "posts" / f"post-{number:05}.md").write_text(post(number, chars), "utf-8")
    # The tables are made beforehand: a newcomer's first command, but no part of reading.
    _command(folder, "stories", "list", "--json")
    first, report = _ingest(folder)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    second, again = _ingest(folder)
    start = _start(folder)
    if report["new"] != posts or again["unchanged"] != posts:
        raise SystemExit(f"not all posts were read: {report}, then {again}")
    yardstick = _yardstick(folder / "posts")
    return {"posts": posts, "seconds": first, "posts_per_second": posts / first, "peak_megabytes": peak, "unchanged_seconds": second,
            "unchanged_share": second / first, "start_seconds": start, "yardstick_seconds": yardstick, "times_yardstick": first / yardstick}


def _start(folder: Path) -> float:
    """What a command costs that reads nothing: the interpreter and the imports."""
    begun = time.perf_counter()
    _command(folder, "stories", "ingest", "--help")
    return time.perf_counter() - begun


def _ingest(folder: Path) -> tuple[float, dict[str, int]]:
    begun = time.perf_counter()
    out = _command(folder, "stories", "ingest", "--json")
    return time.perf_counter() - begun, json.loads(out)


def _command(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "PUBLISHER_CONFIG": str(folder / "publisher.toml")}
    done = subprocess.run([sys.executable, "-m", "publisher", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _yardstick(folder: Path) -> float:
    begun = time.perf_counter()
    markdown = MarkdownIt("commonmark")
    for path in folder.iterdir():
        markdown.parse(frontmatter.loads(path.read_text("utf-8")).content)
    return time.perf_counter() - begun


def post(number: int, chars: int) -> str:
    """A post of about `chars` characters, the same for the same number: front matter, headings, paragraphs, lists of facts, links."""
    chance = random.Random(number)
    # A third share an excerpt that says nothing, as posts of one blog do.
    excerpt = "最新のAI技術動向をお届けします。" if number % 3 == 0 else _sentence(chance)
    lines = ["---", "layout: post", f'title: "{_sentence(chance)[:40]} その{number}"', "date: 2026-03-05 08:00:00 +0900",
             'categories: ["企業と製品"]', 'tags: ["AI", "試験"]', f'excerpt: "{excerpt}"',
             f"canonical_url: https://blog.example.jp/{number}", "---", ""]
    length = 0
    while length < chars:
        block = _block(chance)
        lines += [block, ""]
        length += len(block)
    return "\n".join(lines)


def _block(chance: random.Random) -> str:
    kind = chance.randrange(6)
    if kind == 0:
        return f"## {chance.choice(_OBJECTS)}の行方"
    if kind == 1:
        return "\n".join(f"- **{chance.choice(_OBJECTS)}**: {chance.randint(2, 990)}億円" for _fact in range(4))
    if kind == 2:
        return f"{_sentence(chance)}[詳しくはこちら](https://news.example.jp/{chance.randrange(10**6)})。"
    return "".join(_sentence(chance) for _each in range(chance.randint(3, 6)))


def _sentence(chance: random.Random) -> str:
    return f"{chance.choice(_SUBJECTS)}は、{chance.choice(_OBJECTS)}を{chance.randint(2, 98)}%の割合で{chance.choice(_VERBS)}。"


if __name__ == "__main__":
    sys.exit(main())

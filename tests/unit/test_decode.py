"""Bytes become text, or one line says why not."""

import gzip

import pytest

from publisher.errors import BadInput
from publisher.ingest.decode import MAX_BYTES, decode

TEXT = "港の待ち時間が、予測の仕組みで64分から43分に縮んだ。\n運送会社38社が使っている。\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "shift_jis", "euc_jp"])
def test_the_encodings_of_japanese_newsrooms_are_read(encoding: str) -> None:
    """UTF-8 with and without BOM, Shift_JIS and EUC-JP."""
    assert decode(TEXT.encode(encoding), "a.txt") == TEXT


@pytest.mark.parametrize(("data", "says"), [
    (b"", "empty"), (b" \n\t\n", "empty"), (b"\x89PNG\r\n\x1a\n0000", "binary"), (gzip.compress(b"text", mtime=0), "binary"), (b"%PDF-1.7 x", "binary"),
    (b"text \0 text", "binary"), (TEXT.encode("utf-16"), "encoding"), (TEXT.encode("iso2022_jp"), "encoding"),
    ("Größe und Maß, ganz gewöhnlich".encode("latin-1"), "encoding"), ("这是一个简体中文的句子，不是日文。".encode("gb18030"), "encoding"),
    (b"a" * (MAX_BYTES + 1), "5 MB")])
def test_what_is_no_text_is_refused_with_its_reason(data: bytes, says: str) -> None:
    """One line; nothing is guessed."""
    with pytest.raises(BadInput, match=says) as refused:
        decode(data, "a.txt")
    assert str(refused.value).startswith("a.txt: ") or str(refused.value).startswith("a.txt:1: ")
    assert "\n" not in str(refused.value)


def test_an_unknown_encoding_is_told_with_the_line_of_its_first_strange_byte() -> None:
    """So that the editor finds it."""
    with pytest.raises(BadInput) as refused:
        decode(b"one\ntwo\ncaf\xe9\n", "a.txt")
    assert refused.value.problem.line == 3

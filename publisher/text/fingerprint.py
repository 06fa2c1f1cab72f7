"""Says when two texts are the same text: blind to width, case, spaces and punctuation."""

import hashlib
import re
import unicodedata

_NO_WORD = re.compile(r"[\W_]+")


def flat(text: str) -> str:
    """`text` as letters and figures only: NFKC, case folded."""
    # Folding can undo a composition, hence the second pass (Unicode 3.13, D146: compatibility caseless match).
    return _NO_WORD.sub("", unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def text_fingerprint(headline: str, body: str) -> str:
    """64 hexadecimal digits, the same for the same words. A body that opens with its headline counts as one that does not."""
    head, rest = flat(headline), flat(body)
    return hashlib.sha256(f"{head}\n{rest.removeprefix(head)}".encode("utf-8", "surrogatepass")).hexdigest()


def ngrams(text: str, n: int = 3) -> frozenset[str]:
    """The runs of `n` characters of `text`, flattened; a shorter text is its own only run, an empty one has none."""
    words = flat(text)
    return frozenset(words[index:index + n] for index in range(max(1, len(words) - n + 1))) if words else frozenset()


def containment(part: frozenset[str], whole: frozenset[str]) -> float:
    """The share of `part` that is in `whole`, from 0 to 1."""
    return len(part & whole) / len(part) if part else 0.0

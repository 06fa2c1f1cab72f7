"""Brings the Japanese catalogue up to date with the code: new sentences are added without a translation, dead ones leave, none is guessed.

    python tools/catalogue.py            writes publisher/locale/ja/LC_MESSAGES/publisher.po and says what has no translation
    python tools/catalogue.py --missing  prints what has no translation, and writes nothing
"""

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
CATALOGUE = ROOT / "publisher" / "locale" / "ja" / "LC_MESSAGES" / "publisher.po"
_HEADER = "# The Japanese of publisher. Sentences come from the code and the templates: make catalogue\n#"


def extracted() -> Catalog:
    """Every sentence that the code and the templates mark for translation, with its places."""
    catalogue = Catalog(project="publisher", domain="publisher")
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    # Only these folders: the environment and the outbox of a checkout hold thousands of files that are none of ours.
    for folder in ("publisher", "subscribers", "templates"):
        found = extract_from_dir(ROOT / folder, [(_below(folder, pattern), method) for pattern, method in methods],
                                 {_below(folder, pattern): given for pattern, given in options.items()},
                                 keywords=DEFAULT_KEYWORDS, comment_tags=("Translators:",),
                                 # Babel passes over folders such as `_base` otherwise.
                                 directory_filter=lambda path: not Path(path).name.startswith("."))
        for name, line, message, comments, _context in found:
            catalogue.add(message, None, [(f"{folder}/{name}", line)], auto_comments=comments)
    return catalogue


def _below(folder: str, pattern: str) -> str:
    """The pattern as seen from `folder`; one of another folder matches nothing there."""
    return pattern.removeprefix(f"{folder}/") if pattern.startswith(f"{folder}/") else f"no/{pattern}"


def stored() -> Catalog:
    """The catalogue as it is kept; an absent one is empty."""
    text = CATALOGUE.read_bytes() if CATALOGUE.exists() else b""
    return read_po(io.BytesIO(text), locale="ja", domain="publisher")


def untranslated(catalogue: Catalog) -> list[Message]:
    """The sentences without a Japanese one."""
    return [message for message in catalogue if message.id and not all(_forms(message))]


def _forms(message: Message) -> tuple[str, ...]:
    return tuple(message.string) if isinstance(message.string, (tuple, list)) else (message.string,)


def updated() -> Catalog:
    """What is kept, with every sentence of now. A sentence that changed is a new one: a translation is never guessed."""
    catalogue = stored()
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def main() -> int:
    """Write the catalogue, or with --missing only look. 1 when a sentence has no translation."""
    catalogue = updated()
    if "--missing" not in sys.argv[1:]:
        catalogue.header_comment, catalogue.fuzzy = _HEADER, False
        CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
        with CATALOGUE.open("wb") as file:
            write_po(file, catalogue, width=120, sort_output=True, omit_header=False, include_lineno=False)
    missing = untranslated(catalogue)
    for message in missing:
        print(f"{message.locations[0][0] if message.locations else '?'}: {message.id}")
    print(f"{len(missing)} of {len(catalogue)} sentences have no Japanese", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

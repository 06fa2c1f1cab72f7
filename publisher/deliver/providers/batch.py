"""What differs between the mails of one batch, as variables with a value for each: the rest stands in it once. Pure."""

import os.path
import re
from collections.abc import Iterable, Sequence

from publisher.deliver.providers.parts import Parts

# What Mailgun would replace in a text of ours: its variables, and its own links for leaving
# (https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages).
_READ_BY_MAILGUN = re.compile(r"%recipient|%[a-z_]*unsubscribe_(?:url|email)%", re.IGNORECASE)


class Variables:
    """The variables of one batch. The same values have one variable, wherever they stand."""

    def __init__(self, count: int) -> None:
        self.values: list[dict[str, str]] = [{} for _mail in range(count)]
        self._names: dict[tuple[str, ...], str] = {}

    def place(self, values: tuple[str, ...]) -> str:
        """What stands in the batch where each mail has a value of its own."""
        name = self._names.get(values)
        if name is None:
            name = self._names[values] = f"v{len(self._names) + 1}"
            for own, value in zip(self.values, values, strict=True):
                own[name] = value
        return f"%recipient.{name}%"

    def value(self, values: Sequence[str]) -> str:
        """One header as the batch carries it: what differs is a variable between what is the same.

        The frame stays in sight, so that a Message-ID has its brackets and its @ when the provider looks at it (mailgun/mailgun.js#394).
        """
        if len(set(values)) == 1:
            return values[0]
        begin = os.path.commonprefix(values).rstrip("%")
        rest = [value[len(begin):] for value in values]
        end = os.path.commonprefix([value[::-1] for value in rest])[::-1].lstrip("%")
        return begin + self.place(tuple(value[:len(value) - len(end)] for value in rest)) + end

    def lines(self, texts: Sequence[str]) -> str:
        """One body as the batch carries it: each line that differs is a variable; all of it where they have not the same number of lines."""
        columns = [text.split("\n") for text in texts]
        if len({len(column) for column in columns}) > 1:
            return self.place(tuple(texts))
        return "\n".join(row[0] if len(set(row)) == 1 else self.place(row) for row in zip(*columns, strict=True))


def holds_marks(parts: Parts) -> bool:
    """Whether a mail holds words that Mailgun would take for its own, in a story about Mailgun for instance: such a mail goes alone, as MIME."""
    texts = (parts.subject, parts.sender, parts.text, parts.html, *(value for _name, value in parts.headers))
    return any(_READ_BY_MAILGUN.search(text) for text in texts)


def groups_of(mails: Iterable[Parts | None], sizes: Sequence[int], largest: int) -> list[list[int]]:
    """Which mails can go together, by their places: of one shape, nobody twice, and not larger than `largest` together. None goes alone."""
    groups: list[list[int]] = []
    open_groups: dict[object, tuple[list[int], set[str], int]] = {}
    for place, parts in enumerate(mails):
        if parts is None:
            groups.append([place])
            continue
        shape, reader = _shape(parts), parts.recipient.lower()
        found = open_groups.get(shape)
        if found is None or reader in found[1] or found[2] + sizes[place] > largest:
            found = ([], set(), 0)
            groups.append(found[0])
        found[0].append(place)
        open_groups[shape] = (found[0], found[1] | {reader}, found[2] + sizes[place])
    return groups


def _shape(parts: Parts) -> object:
    """Mails of one edition are alike in this; of different ones seldom."""
    return parts.sender, parts.subject, tuple(name for name, _value in parts.headers), parts.text.count("\n"), parts.html.count("\n")

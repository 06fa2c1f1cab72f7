"""The words of the sign-up form: shown to the reader, and kept, so that it can be proved later what somebody agreed to."""

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.i18n import _, in_language
from publisher.settings import Settings
from publisher.web.lists import Offered


@dataclass(frozen=True, slots=True)
class FormWords:
    """Every sentence of a form in one language. `links` are names and addresses of what should be read before."""

    heading: str
    lists: tuple[str, ...]
    label: str
    promise: str
    leaving: str
    before: str
    links: tuple[tuple[str, str], ...]
    button: str

    @property
    def text(self) -> str:
        """The form as text, for the record."""
        lines = [self.heading, *self.lists, self.label, self.promise, self.leaving, *([self.before] if self.links else []),
                 *(f"{name}: {address}" for name, address in self.links), f"[{self.button}]"]
        return "\n".join(line for line in lines if line)


def form_words(settings: Settings, lists: Sequence[Offered], language: str) -> FormWords:
    """The words of the form for these lists: of one, its title stands in the heading; of several, each is a choice."""
    with in_language(language):
        one = lists[0] if len(lists) == 1 else None
        links = [(_("Terms of use"), settings.signup.terms), (_("How we treat your address"), settings.signup.privacy)]
        return FormWords(
            heading=_("Subscribe to %(title)s", title=one.title) if one else _("Our newsletters"),
            lists=(one.description,) if one else tuple(" — ".join(part for part in (entry.title, entry.description) if part) for entry in lists),
            label=_("E-mail address"),
            promise=_("We write to this address first. Issues come only after you press the button behind the link in that mail.")
            if any(entry.double for entry in lists) else _("Issues come to this address from the next one on."),
            leaving=_("You can leave at any time: every mail has a link for that."),
            before=_("Please read before you subscribe:"), links=tuple((name, address) for name, address in links if address),
            button=_("Subscribe"))

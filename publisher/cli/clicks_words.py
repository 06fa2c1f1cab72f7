"""Click has no Japanese catalogue: its own sentences go through ours."""

import click
from click import core, decorators, exceptions, formatting, parser, termui, types

from publisher.i18n import N_, catalogue, current_language

# The sentences of click that people meet; listed so that the catalogue holds them.
CLICK = (
    N_("Usage:"), N_("Options"), N_("Commands"), N_("Error: {message}"), N_("Show this message and exit."),
    N_("Try '{command} {option}' for help."), N_("No such command {name!r}."), N_("Missing command."), N_("No such option {name!r}."),
    N_("Did you mean {possibility}?"), N_("(Did you mean one of: {possibilities}?)"), N_("Missing argument"), N_("Missing option"),
    N_("Missing parameter"), N_("Invalid value: {message}"), N_("Invalid value for {param_hint}: {message}"), N_("required"),
    N_("default: {default}"), N_("{value!r} is not a valid {number_type}."), N_("{value} is not in the range {range}."),
    N_("{value!r} is not one of {choices}."), N_("{value!r} is not {choice}."), N_("Choose from:\n\t{choices}"),
    N_("Option {name!r} requires an argument."), N_("Option {name!r} does not take a value."),
    N_("Got unexpected extra argument ({args})"), N_("Got unexpected extra arguments ({args})"), N_("Aborted!"),
    N_("{name} {filename!r} does not exist."), N_("{name} {filename!r} is a directory."), N_("{name} {filename!r} is a file."),
    N_("{name} {filename!r} is not readable."), N_("file"), N_("directory"), N_("path"), N_("Error: invalid input"),
)

# What click calls a kind of value is a plain attribute.
_KINDS: dict[type[types.ParamType], str] = {types.IntParamType: N_("integer"), types.IntRange: N_("integer range")}


def translate_click() -> None:
    """Point click's own gettext at our catalogue. Its modules bind the function by name when they are imported."""

    def gettext(message: str) -> str:
        return catalogue(current_language()).gettext(message)

    def ngettext(one: str, many: str, number: int) -> str:
        # Each form is a sentence of its own in the catalogue: Japanese has one form, and click's plural ones are few.
        return gettext(one if number == 1 else many)

    for module in (click, core, decorators, exceptions, formatting, parser, termui, types):
        for name, ours in (("_", gettext), ("gettext", gettext), ("ngettext", ngettext)):
            if hasattr(module, name):
                setattr(module, name, ours)
    for kind, word in _KINDS.items():
        kind.name = gettext(word)

"""Writes docs/commands.md from the commands themselves; a test holds that the page is what this prints."""

import sys
from pathlib import Path

import click

from publisher.i18n import use_language

_HEAD = """# Commands

Every command answers `--help` with examples, speaks Japanese or English (`--lang ja|en`, else the locale), and where it lists
prints JSON with `--json`. Options of `publisher` itself stand before the command: `publisher --config desk.toml issues list`.

| exit code | meaning |
|---|---|
| 0 | done; for `issues resume`: nothing is left to send |
| 1 | failed or refused; the sentence on standard error says why and what to do |
| 2 | wrong usage, or a `publisher.toml` that cannot be used (`check` answers 1 for what is well written and would still not work) |
| 3 | some of the input was refused, everything else was read |
| 4 | something waits: a mail for another try, an issue for its approval |

This page is made from the commands: `make commands` writes it anew.
"""


def page() -> str:
    """The whole page, in English."""
    use_language("en")
    from publisher.cli.commands import publisher

    return "\n".join([_HEAD, *_sections(publisher, ("publisher",))])


def _sections(command: click.Command, names: tuple[str, ...]) -> list[str]:
    context = click.Context(command, info_name=" ".join(names))
    lines = [f"{'#' * min(4, len(names) + 1)} `{' '.join(names)}`", "", *_help(command), ""]
    rows = [row for parameter in command.get_params(context) if (row := _row(parameter, context))]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            lines += _sections(command.commands[name], (*names, name))
    return lines


def _help(command: click.Command) -> list[str]:
    text, _colon, examples = (command.help or "").partition("Examples:")
    shown, _blank, rest = examples.replace("\b", "").strip("\n").partition("\n\n")
    lines = [text.strip()]
    if shown.strip():
        lines += ["", "```", *(line.strip() for line in shown.strip().splitlines()), "```"]
    return [*lines, "", rest.strip()] if rest.strip() else lines


def _row(parameter: click.Parameter, context: click.Context) -> str | None:
    if isinstance(parameter, click.Argument):
        return f"| `{parameter.make_metavar(context)}` | {'needed' if parameter.required else 'may be left out'} |"
    record = parameter.get_help_record(context)
    return f"| `{record[0]}` | {record[1]} |".replace("|ja|", "\\|ja\\|") if record else None


if __name__ == "__main__":
    Path(__file__).parent.parent.joinpath("docs", "commands.md").write_text(page(), "utf-8")
    sys.exit(0)

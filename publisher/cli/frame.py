"""What every command stands on: the configuration, the open publisher, plain or coloured output, and errors in one line."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from publisher.app import Publisher, open_publisher
from publisher.clock import utc_now
from publisher.db import Database
from publisher.errors import Problem, PublisherError
from publisher.i18n import _
from publisher.settings import Settings
from publisher.settings_environment import wants_plain
from publisher.settings_file import load_settings
from publisher.tokens import Keys

OK, FAILED, USAGE, REFUSED_SOME, LEFT_OVER = 0, 1, 2, 3, 4


class Desk:
    """The person's desk: opens what a command needs the first time it asks."""

    def __init__(self, config: Path | None) -> None:
        self.config = config
        self.console = Console(no_color=wants_plain() or None, highlight=False, soft_wrap=not sys.stdout.isatty())
        self.errors = Console(stderr=True, no_color=wants_plain() or None, highlight=False, soft_wrap=True)

    @cached_property
    def settings(self) -> Settings:
        """publisher.toml, read and checked."""
        return load_settings(self.config)

    @cached_property
    def publisher(self) -> Publisher:
        """The open publisher: the database is up to date."""
        return open_publisher(self.settings, utc_now())

    @property
    def database(self) -> Database:
        """The open database."""
        return self.publisher.database

    @property
    def keys(self) -> Keys:
        """The signing keys."""
        return self.publisher.keys

    def now(self) -> datetime:
        """The moment of this command."""
        return utc_now()

    def say(self, text: str) -> None:
        """One line for a person; the text is data, never markup."""
        self.console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """One line on standard error, so that `--json` stays clean."""
        self.errors.print(text, markup=False)

    def report(self, problems: Sequence[Problem]) -> None:
        """Each refused item on a line of its own."""
        for problem in problems:
            self.warn(f"! {problem}")

    def print_json(self, value: Any) -> None:
        """`value` for machines, on standard output."""
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
        """A table without a box, or the sentence `empty` that says what to do first."""
        if not rows:
            self.say(empty)
            return
        made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        for column in columns:
            made.add_column(column, overflow="fold")
        for row in rows:
            made.add_row(*("" if cell is None else str(cell) for cell in (_escape(cell) for cell in row)))
        self.console.print(made)

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
        """A bar with rate and time left on a terminal, silence elsewhere; the block gets `update(done, total)`."""
        bar = Progress(TextColumn("{task.description}"), BarColumn(complete_style="#B5341A"), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
                       TimeRemainingColumn(), console=self.errors, disable=not self.errors.is_terminal, transient=True)
        with bar:
            task = bar.add_task(label, total=total, rate="")

            def update(done: int, of: int | None = None) -> None:
                speed = bar.tasks[task].speed
                bar.update(task, completed=done, total=of if of is not None else total, rate=f"{speed:,.0f}/s" if speed else "")

            yield update

    def need_somebody(self, *, yes: bool) -> None:
        """Refuse before anything is made when a question will come that nobody could answer. Raises PublisherError."""
        if not yes and not sys.stdin.isatty():
            raise PublisherError(_("this needs an answer, and nobody is at the keyboard"), remedy=_("add --yes"))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something leaves. Raises PublisherError when nobody is there to answer; stops when the answer is no."""
        if yes:
            return
        self.need_somebody(yes=yes)
        if not click.confirm(question):
            self.say(_("Nothing was done."))
            raise click.exceptions.Exit(FAILED)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _escape(cell: object) -> object:
    return cell.replace("[", "\\[") if isinstance(cell, str) else cell


pass_desk = click.make_pass_decorator(Desk)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`: output for machines."""
    return click.option("--json", "as_json", is_flag=True, help=_("Print JSON for machines."))(command)


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--yes`: do not ask."""
    return click.option("--yes", is_flag=True, help=_("Do not ask; for scripts."))(command)


def examples(*lines: str) -> str:
    """The examples at the end of a command's help, each on its line."""
    return _("Examples:") + "\n\n\b\n" + "\n".join(f"  {line}" for line in lines)

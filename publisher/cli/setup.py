"""`publisher init` and `publisher check`: the configuration file, written and examined."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from publisher.cli.checking import reader_problems
from publisher.cli.frame import FAILED, OK, USAGE, Desk, examples, json_option, pass_desk
from publisher.clock import utc_now
from publisher.compose.footer import missing_fields
from publisher.compose.issue import accent_problems
from publisher.compose.law import law_problems
from publisher.db import Database
from publisher.deliver.worker import check_routes, check_signature
from publisher.errors import Problem, PublisherError, SettingsError
from publisher.i18n import _, current_language
from publisher.jobs import check_sending
from publisher.primary import look
from publisher.settings import Settings
from publisher.settings_file import line_of, load_settings, settings_path
from publisher.settings_secrets import missing_secrets
from publisher.shipped import shipped


@click.command(help=_("Write a commented publisher.toml to begin with.") + "\n\n" + examples("publisher init", "publisher --config desk.toml init"))
@click.option("--force", is_flag=True, help=_("Replace a file that is there."))
@pass_desk
def init(desk: Desk, force: bool) -> None:
    """Write the file; never over another one by accident."""
    path = settings_path(desk.config)
    if path.exists() and not force:
        raise PublisherError(_("%(path)s is there already", path=path), remedy=_("edit it, or replace it with --force"))
    path.parent.mkdir(parents=True, exist_ok=True)
    example = "publisher.example.ja.toml" if current_language() == "ja" else "publisher.example.toml"
    path.write_text(shipped(example).read_text("utf-8"), "utf-8")
    (path.parent / "stories").mkdir(exist_ok=True)
    desk.say("✓ " + _("Wrote %(path)s. Fill it in, then run: publisher check", path=path))


@click.command(help=_("Say what is wrong with publisher.toml: line, key, reason, remedy.") + "\n\n" + examples("publisher check"))
@json_option
@pass_desk
def check(desk: Desk, as_json: bool) -> None:
    """Examine the file, and whether the database is the one that sends; nothing is changed and nothing is sent."""
    path = settings_path(desk.config)
    try:
        settings: Settings | None = load_settings(desk.config)
        problems = _deeper(path, settings) if settings else []
    except SettingsError as error:
        settings, problems = None, error.problems
    if as_json:
        desk.print_json([{"where": one.where, "line": one.line, "reason": one.reason, "remedy": one.remedy} for one in problems])
    elif problems:
        desk.report(problems)
    else:
        desk.say("✓ " + _("%(path)s is in order.", path=path))
    raise click.exceptions.Exit(OK if not problems else USAGE if settings is None else FAILED)


def _deeper(path: Path, settings: Settings) -> list[Problem]:
    """What is well written and still would not work."""
    text = path.read_text("utf-8-sig")
    remedy = _("the law wants them under every mail: add them to publisher.toml")
    problems = [Problem(str(path), _("%(key)s is missing", key=key), line_of(text, tuple(key.split("."))), remedy)
                for key in missing_fields(settings)]
    problems += [Problem(str(path), reason, line_of(text, ("site", "accent"))) for reason in accent_problems(settings.site)]
    problems += law_problems(settings)
    problems += reader_problems(path, text, settings) + _fence(path, text, settings)
    for index, source in enumerate(settings.sources):
        if source.kind == "folder" and not settings.place(source.path or "").is_dir():
            problems.append(Problem(str(path), _("the folder %(folder)s is not there", folder=source.path), line_of(text, ("sources", index, "path")),
                                    _("make it, or correct the path")))
    problems += _ways(path, text, settings)
    for account, names in missing_secrets(settings).items():
        problems.append(Problem(str(path), _("%(account)s has no credentials", account=account), _line_of_secret(text, settings, account),
                                _("set %(names)s in the environment", names=", ".join(names))))
    return problems


def _ways(path: Path, text: str, settings: Settings) -> list[Problem]:
    """What would keep mails from leaving: signature, relays, and newsletters for which there is none."""
    problems = []

    def tried(check: Callable[[], None], *place: str | int) -> bool:
        try:
            check()
        except PublisherError as error:
            problems.append(Problem(str(path), error.reason, line_of(text, place), error.remedy))
            return False
        return True

    if tried(partial(check_signature, settings), "dkim", "key_file") and not missing_fields(settings):
        tried(partial(check_sending, settings), *(("relays", 0, "url") if settings.relays else ("mail", "relay")))
    for index, newsletter in enumerate(settings.newsletters):
        tried(partial(check_routes, settings, newsletter.name), "newsletters", index, "name")
    return problems


def _line_of_secret(text: str, settings: Settings, owner: str) -> int | None:
    """Where it stands whose secret is missing: an account, a relay of several (`relays.NAME`), the one relay, or the mailbox."""
    accounts = {entry.name: ("accounts", index, "name") for index, entry in enumerate(settings.accounts)}
    relays = {f"relays.{entry.name}": ("relays", index, "name") for index, entry in enumerate(settings.relays)}
    places = {"mail": ("mail", "relay"), "inbound": ("inbound", "imap"), **relays, **accounts}
    return line_of(text, places[owner]) if owner in places else None


def _fence(path: Path, text: str, settings: Settings) -> list[Problem]:
    """Whether the database may send, where there is one: it is neither made nor brought up to date by looking."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return []
    url = url if url.get_backend_name() == "sqlite" else url.update_query_dict({"connect_timeout": "5"})
    try:
        database = Database(url.render_as_string(hide_password=False))
        try:
            refusal: PublisherError | None = look(database, settings).refusal(utc_now())
        finally:
            database.close()
    except PublisherError as error:
        refusal = error
    except SQLAlchemyError:
        return []  # no tables yet, or a server that does not answer now: the file may be right all the same
    return [Problem(str(path), refusal.reason, line_of(text, ("database", "url")), refusal.remedy)] if refusal else []

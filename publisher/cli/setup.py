"""`publisher init` and `publisher check`: the configuration file, written and examined."""

from pathlib import Path

import click

from publisher.cli.checking import reader_problems
from publisher.cli.frame import FAILED, OK, USAGE, Desk, examples, json_option, pass_desk
from publisher.compose.footer import missing_fields
from publisher.compose.issue import accent_problems
from publisher.compose.law import law_problems
from publisher.errors import Problem, PublisherError, SettingsError
from publisher.i18n import _, current_language
from publisher.jobs import check_sending
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
    """Examine the file; nothing is opened and nothing is sent."""
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
    problems += reader_problems(path, text, settings)
    for index, source in enumerate(settings.sources):
        if source.kind == "folder" and not settings.place(source.path or "").is_dir():
            problems.append(Problem(str(path), _("the folder %(folder)s is not there", folder=source.path), line_of(text, ("sources", index, "path")),
                                    _("make it, or correct the path")))
    if not missing_fields(settings):
        try:
            check_sending(settings)
        except PublisherError as error:
            problems.append(Problem(str(path), error.reason, line_of(text, ("mail", "relay")), error.remedy))
    for account, names in missing_secrets(settings).items():
        place = next((index for index, entry in enumerate(settings.accounts) if entry.name == account), None)
        problems.append(Problem(str(path), _("%(account)s has no credentials", account=account),
                                line_of(text, ("accounts", place, "name")) if place is not None else line_of(text, ("mail", "relay")),
                                _("set %(names)s in the environment", names=", ".join(names))))
    return problems

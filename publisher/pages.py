"""The Jinja environment of mail, posts and pages: sandboxed, escaped by default, the newsroom's own files first."""

from pathlib import Path

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from publisher.i18n import catalogue, current_language
from publisher.settings import Settings
from publisher.shipped import shipped


def environment(settings: Settings) -> SandboxedEnvironment:
    """Templates of the newsroom's folder win over ours file by file; `.html` is escaped, `.txt` is not."""
    folders = [shipped("templates")]
    if settings.paths.templates:
        folders.insert(0, settings.place(settings.paths.templates))
    made = SandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(Path(folder)) for folder in folders]),
        autoescape=lambda name: name is None or name.endswith((".html", ".xml", ".svg")),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"])
    made.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: catalogue(current_language()).gettext(text),
        lambda one, many, n: catalogue(current_language()).ngettext(one, many, n), newstyle=True)
    made.globals["site"] = settings.site
    return made

"""The documentation says what the code does: every command, every setting with its default, every promise of the front page."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from publisher.clock import parse_span
from publisher.settings import Settings
from publisher.settings_file import load_settings
from tools.commands_page import page

ROOT = Path(__file__).parent.parent.parent
NESTED = {"sources", "lists", "newsletters", "accounts", "relays", "limits"}


def _models() -> list[tuple[str, type[BaseModel]]]:
    found = []
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        inner = annotation.__args__[0] if name in NESTED else annotation  # type: ignore[union-attr]
        found.append((name, inner))
    return found  # type: ignore[return-value]


def _documented() -> dict[str, str]:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    return {key: default.strip().strip("`") for key, default in re.findall(r"^\| \**`([a-z_]+\.[a-z_]+)`\** \|([^|]*)\|", text, re.MULTILINE)}


def test_every_setting_stands_in_the_documentation_and_no_other() -> None:
    """A key that is added or renamed without its line of documentation fails here."""
    known = {f"{section}.{key}" for section, model in _models() for key in model.model_fields}
    assert set(_documented()) == known


def test_documented_defaults_are_the_codes_defaults() -> None:
    """What the page says is what happens when a key is left out."""
    written = _documented()
    for section, model in _models():
        for key, field in model.model_fields.items():
            said = written[f"{section}.{key}"]
            if field.is_required() or field.default is None:
                assert said == "", f"{section}.{key}"
                continue
            value = tomllib.loads(f"value = {said}")["value"]
            expected = field.default
            if isinstance(expected, timedelta):
                value = parse_span(value)
            assert (tuple(value) if isinstance(expected, tuple) else value) == expected, f"{section}.{key}"


def test_the_page_of_commands_is_made_from_the_commands() -> None:
    """`make commands` was run after the last change of a command, an option or a help text."""
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == page()


@pytest.mark.parametrize("name", ["publisher.example.toml", "publisher.example.ja.toml"])
def test_the_example_configurations_load_as_they_stand(name: str) -> None:
    """What `publisher init` writes is a configuration, not a sketch of one."""
    settings = load_settings(ROOT / name)
    assert settings.newsletters[0].name == "morning"
    assert settings.lists[0].name == "daily"


def test_both_front_pages_show_the_same_two_commands() -> None:
    """A newcomer types what stands there, in either language."""
    for name in ("README.md", "README.ja.md"):
        text = (ROOT / name).read_text("utf-8")
        assert "make demo" in text
        assert "make test" in text
        assert "docs/images/issue.png" in text


def test_links_between_the_pages_lead_somewhere() -> None:
    """A link to a file that is not there fails here."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", prose):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"

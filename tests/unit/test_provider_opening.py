"""A line to a provider is opened with its own secret and its own library, and a missing one is one sentence with a remedy."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from publisher.deliver.providers.opening import provider_for
from publisher.errors import PublisherError
from publisher.settings_secrets import missing_secrets, relay_password, relay_secrets, relay_variable
from publisher.settings_sending import SINGLE, RelayEntry
from tests import composing


def entry(url: str, name: str = "far") -> RelayEntry:
    return RelayEntry.model_validate({"name": name, "url": url})


def settings(*relays: dict[str, Any], **mail: str):
    made = composing.settings(mail=mail)
    return made.model_validate(made.model_dump() | {"relays": relays})


TOKYO = {"name": "tokyo-1", "url": "mailgun://mg.example.jp"}
BROADCAST = {"name": "pm", "url": "postmark://broadcast"}
SMTP = {"name": "near", "url": "smtp+starttls://desk@mail.example.jp:587"}
OPEN = {"name": "here", "url": "smtp://127.0.0.1:25"}
SES = {"name": "aws", "url": "ses://ap-northeast-1"}


@pytest.mark.parametrize(("url", "kind", "most"), [("mailgun://mg.example.jp", "Mailgun", 50), ("postmark://broadcast", "Postmark", 50),
                                                   ("ses://ap-northeast-1", "Ses", 1)])
def test_each_provider_is_opened_by_the_address_of_its_relay(url: str, kind: str, most: int) -> None:
    """And nothing is asked of it yet."""
    opened = provider_for(entry(url), {"far": "id:key"}, 5)
    assert type(opened).__name__ == kind
    assert opened.most == most
    opened.close()


@pytest.mark.parametrize("url", ["mailgun://mg.example.jp", "postmark://broadcast"])
def test_a_relay_without_its_key_is_refused_with_the_variable_to_set(url: str) -> None:
    """The key of another relay is none."""
    with pytest.raises(PublisherError) as caught:
        provider_for(entry(url), {"another": "key"}, 5)
    assert str(caught.value) == "the relay far has no key — set PUBLISHER_RELAY_FAR_PASSWORD in the environment"


def test_ses_without_any_credentials_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither ours nor what boto3 finds by itself; what it finds is used."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(PublisherError, match="the relay aws has no key") as caught:
        provider_for(entry("ses://eu-west-1", "aws"), {}, 5)
    assert "PUBLISHER_RELAY_AWS_PASSWORD" in caught.value.remedy
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    provider_for(entry("ses://eu-west-1", "aws"), {}, 5).close()


def test_a_relay_by_smtp_is_no_provider() -> None:
    """A fault of the caller."""
    with pytest.raises(ValueError, match="is no provider"):
        provider_for(entry("smtp://127.0.0.1:25"), {}, 5)


def python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def test_without_boto3_the_sentence_says_what_to_install() -> None:
    """It is an extra: most newsrooms do without."""
    said = python("import sys; sys.modules['boto3'] = None\n"
                  "from publisher.i18n import use_language; use_language('en')\n"
                  "from publisher.deliver.providers.opening import provider_for\n"
                  "from publisher.errors import PublisherError\n"
                  "from publisher.settings_sending import RelayEntry\n"
                  "try: provider_for(RelayEntry(name='aws', url='ses://eu-west-1'), {'aws': 'a:b'}, 5)\n"
                  "except PublisherError as error: print(error)")
    assert said == "the relay aws needs boto3, which is not installed — pip install 'publisher[ses]'"


def test_who_sends_by_smtp_alone_loads_no_library_of_a_provider() -> None:
    """They cost memory in each sending process."""
    assert python("import sys, publisher.deliver.providers.opening\nprint([name for name in ('boto3', 'botocore', 'httpx') if name in sys.modules])") == "[]"


def test_the_variable_of_a_relay_carries_its_name() -> None:
    """The one of mail.relay keeps the variable it always had."""
    assert relay_variable("tokyo-1") == "PUBLISHER_RELAY_TOKYO_1_PASSWORD"
    assert relay_variable(SINGLE) == "PUBLISHER_RELAY_PASSWORD"


def test_each_relay_has_its_secret_by_its_name(tmp_path: Path) -> None:
    """From the environment or from the file it names; who has none is not there."""
    path = tmp_path / "key"
    path.write_text("from the file\n", "utf-8")
    path.chmod(0o600)
    environ = {"PUBLISHER_RELAY_TOKYO_1_PASSWORD": "k1", "PUBLISHER_RELAY_NEAR_PASSWORD_FILE": str(path), "PUBLISHER_RELAY_PASSWORD": "not asked for"}
    assert relay_secrets(settings(TOKYO, SMTP, BROADCAST), environ) == {"tokyo-1": "k1", "near": "from the file"}


def test_the_single_relay_has_the_password_of_before() -> None:
    """As long as there are no entries."""
    environ = {"PUBLISHER_RELAY_PASSWORD": "as ever"}
    assert relay_secrets(settings(), environ) == {SINGLE: "as ever"}
    assert relay_password(environ) == "as ever"
    assert relay_secrets(settings(), {}) == {}


def test_relays_that_need_a_secret_and_lack_it_are_named() -> None:
    """A provider's key, the password of a user. SES finds credentials of its own, an open relay needs none, and mail.relay is not used beside entries."""
    made = settings(TOKYO, SMTP, BROADCAST, OPEN, SES, relay="smtp://desk@mail.example.jp:587")
    assert missing_secrets(made, {"PUBLISHER_RELAY_PM_PASSWORD": "k"}) == {"relays.tokyo-1": ("PUBLISHER_RELAY_TOKYO_1_PASSWORD",),
                                                                          "relays.near": ("PUBLISHER_RELAY_NEAR_PASSWORD",)}
    assert missing_secrets(settings(relay="smtp://desk@mail.example.jp:587"), {}) == {"mail": ("PUBLISHER_RELAY_PASSWORD",)}

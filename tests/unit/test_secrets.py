"""Secrets come from the environment or from a file that it names, and show themselves nowhere."""

from pathlib import Path

import pytest

from publisher.errors import PublisherError
from publisher.settings_secrets import Credentials, credentials_of, missing_secrets, relay_password, variable_of
from tests import composing

FOUR = ("CONSUMER_KEY", "CONSUMER_SECRET", "ACCESS_TOKEN", "ACCESS_TOKEN_SECRET")
PREFIX = "PUBLISHER_X_MAIN_"


def environment(*names: str) -> dict[str, str]:
    """These secrets of the account x-main, each worth its own name in small letters."""
    return {PREFIX + name: name.lower() for name in names}


def of_x(oauth: str = "1.0a", **mail: str):
    """A newsroom with the account x-main on X."""
    return composing.settings(accounts=[{"name": "x-main", "kind": "x", "oauth": oauth}], mail=mail)


def test_a_variable_is_named_after_its_account() -> None:
    """Small letters become capitals, what no variable may hold becomes an underscore."""
    assert variable_of("x-main", "ACCESS_TOKEN") == "PUBLISHER_X_MAIN_ACCESS_TOKEN"
    assert variable_of("news2", "CLIENT_ID") == "PUBLISHER_NEWS2_CLIENT_ID"


def test_the_environment_gives_the_secrets_by_their_short_names() -> None:
    """OAuth 1.0a needs four."""
    credentials = credentials_of(of_x().accounts[0], environment(*FOUR))
    assert {name: credentials[name] for name in FOUR} == {name: name.lower() for name in FOUR}
    assert credentials.get("CLIENT_SECRET") is None


def test_an_optional_secret_is_taken_when_it_is_there() -> None:
    """OAuth 2.0 works with and without a client secret: a public client has none."""
    account = of_x("2.0").accounts[0]
    needed = environment("CLIENT_ID", "ACCESS_TOKEN", "REFRESH_TOKEN")
    assert credentials_of(account, needed).get("CLIENT_SECRET") is None
    assert credentials_of(account, needed | environment("CLIENT_SECRET")).get("CLIENT_SECRET") == "client_secret"


def test_a_file_gives_a_secret_without_its_line_end(tmp_path: Path) -> None:
    """As Docker and systemd hand secrets over."""
    path = tmp_path / "token"
    path.write_text("from the file\n", "utf-8")
    found = credentials_of(of_x().accounts[0], environment(*FOUR[:3]) | {PREFIX + "ACCESS_TOKEN_SECRET_FILE": str(path)})
    assert found["ACCESS_TOKEN_SECRET"] == "from the file"
    assert relay_password({"PUBLISHER_RELAY_PASSWORD_FILE": str(path)}) == "from the file"


def test_the_variable_itself_wins_over_its_file() -> None:
    """The file is not even opened."""
    assert relay_password({"PUBLISHER_RELAY_PASSWORD": "here", "PUBLISHER_RELAY_PASSWORD_FILE": "/nowhere"}) == "here"


@pytest.mark.parametrize(("content", "says"), [(None, "No such file or directory"), (b"\xff\xfe\x00", "is not UTF-8")])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes | None, says: str) -> None:
    """It names the variable and the file, and holds nothing of what stands in the file."""
    path = tmp_path / "token"
    if content:
        path.write_bytes(content)
    with pytest.raises(PublisherError) as caught:
        credentials_of(of_x().accounts[0], environment(*FOUR[:3]) | {PREFIX + "ACCESS_TOKEN_SECRET_FILE": str(path)})
    sentence = str(caught.value)
    assert PREFIX + "ACCESS_TOKEN_SECRET_FILE" in sentence
    assert str(path) in sentence
    assert says in sentence
    assert "\n" not in sentence
    assert caught.value.__cause__ is None


def test_a_file_that_everybody_can_read_is_used_and_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The sentence names variable, file and remedy, never the secret. A file of mode 0600 is quiet."""
    path = tmp_path / "token"
    path.write_text("hush\n", "utf-8")
    path.chmod(0o644)
    for _ in range(2):
        assert relay_password({"PUBLISHER_RELAY_PASSWORD_FILE": str(path)}) == "hush"
    (said,) = caplog.messages
    assert "PUBLISHER_RELAY_PASSWORD_FILE" in said
    assert f"chmod 600 {path}" in said
    assert "hush" not in said
    own = tmp_path / "own"
    own.write_text("hush\n", "utf-8")
    own.chmod(0o600)
    assert relay_password({"PUBLISHER_RELAY_PASSWORD_FILE": str(own)}) == "hush"
    assert len(caplog.messages) == 1


def test_an_empty_variable_and_an_empty_file_are_no_secret(tmp_path: Path) -> None:
    """A variable that a template left empty is missing, not a password of no letters."""
    path = tmp_path / "empty"
    path.write_text("\n", "utf-8")
    assert relay_password({"PUBLISHER_RELAY_PASSWORD": ""}) is None
    assert relay_password({"PUBLISHER_RELAY_PASSWORD_FILE": str(path)}) is None


def test_missing_secrets_are_named_by_their_variables() -> None:
    """Exactly those that are needed and absent; an optional one is never asked for."""
    assert missing_secrets(of_x(), environment(*FOUR[:2])) == {"x-main": (PREFIX + "ACCESS_TOKEN", PREFIX + "ACCESS_TOKEN_SECRET")}
    assert missing_secrets(of_x("2.0"), {}) == {"x-main": (PREFIX + "CLIENT_ID", PREFIX + "ACCESS_TOKEN", PREFIX + "REFRESH_TOKEN")}
    assert missing_secrets(of_x(), environment(*FOUR)) == {}


def test_the_relays_password_is_missing_only_where_the_relay_has_a_user() -> None:
    """A relay without a login needs none."""
    assert missing_secrets(composing.settings(mail={"relay": "smtp://desk@mail.example.jp:587"}), {}) == {"mail": ("PUBLISHER_RELAY_PASSWORD",)}
    assert missing_secrets(composing.settings(mail={"relay": "smtp://127.0.0.1:25"}), {}) == {}


def test_an_account_that_writes_files_needs_no_secret() -> None:
    """A dry run asks for nothing."""
    made = composing.settings(accounts=[{"name": "dry", "kind": "outbox"}])
    assert missing_secrets(made, {}) == {}
    assert credentials_of(made.accounts[0], {}).values == {}


def test_an_account_without_credentials_is_refused_by_name() -> None:
    """The remedy names every variable, so that one look is enough."""
    with pytest.raises(PublisherError) as caught:
        credentials_of(of_x().accounts[0], environment("CONSUMER_KEY"))
    assert "x-main" in str(caught.value)
    assert all(PREFIX + name in str(caught.value.remedy) for name in FOUR[1:])
    assert "consumer_key" not in f"{caught.value} {caught.value.remedy}"


def test_printed_credentials_show_nothing() -> None:
    """A traceback or a log line that holds them holds no secret."""
    credentials = Credentials({"ACCESS_TOKEN": "hush"})
    assert "hush" not in f"{credentials} {credentials!r}"

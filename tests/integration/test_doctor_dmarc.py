"""DKIM and DMARC as `publisher doctor` sees them, against a name server on this machine."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from publisher.deliver.dkim import make_key, record_value
from publisher.doctor.asking import Names
from publisher.doctor.dkim import examine_dkim
from publisher.doctor.dmarc import Identities, examine_dmarc
from publisher.doctor.finding import Finding, txt_record
from tests.names import name_server

DOMAIN = "news.example.jp"
AT = f"p1._domainkey.{DOMAIN}"
GOOD = f'_dmarc.{DOMAIN}. TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@{DOMAIN}"\n{DOMAIN}. MX 10 mail.{DOMAIN}.'


def dkim_of(zone: str, key_file: Path, *, selector: str | None = "p1", seconds: float = 2.0, **faults: tuple[str, ...]) -> list[Finding]:
    """What is said of the signature in a world of one zone."""
    with name_server(zone, **faults) as server:
        return examine_dkim(Names(seconds, server.address), selector, DOMAIN, key_file)


def dmarc_of(zone: str, *, envelope: str = DOMAIN, signature: str | None = DOMAIN, author: str = DOMAIN, seconds: float = 2.0,
             **faults: tuple[str, ...]) -> list[Finding]:
    """What is said of the policy in a world of one zone."""
    with name_server(zone, **faults) as server:
        return examine_dmarc(Names(seconds, server.address), Identities(author, envelope, signature), f"postmaster@{author}")


def states(findings: list[Finding]) -> dict[str, str]:
    """Each finding's state by its code."""
    return {one.code: one.state for one in findings}


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newsroom's key."""
    path = tmp_path_factory.mktemp("keys") / "dkim.pem"
    make_key(path)
    return path


@pytest.fixture(scope="module")
def published(key_file: Path) -> str:
    """What belongs into the DNS for it."""
    from publisher.deliver.dkim import load_key

    return record_value(load_key(key_file))


def test_the_published_key_is_the_one_that_signs(key_file: Path, published: str) -> None:
    """A key of 2,048 bits stands in two strings and comes back as one."""
    assert states(dkim_of(txt_record(AT, published), key_file)) == {"dkim": "right"}


def test_a_key_is_found_behind_an_alias(key_file: Path, published: str) -> None:
    """Hosts of mail ask for a CNAME to a record of theirs."""
    assert states(dkim_of(f"{AT}. CNAME keys.host.example.\n" + txt_record("keys.host.example", published), key_file)) == {"dkim": "right"}


def test_an_absent_key_comes_with_the_record_to_publish(key_file: Path, published: str) -> None:
    """What is shown can be published as it stands: read back, it is right."""
    found = dkim_of(f"{DOMAIN}. A 192.0.2.1", key_file)
    assert states(found) == {"dkim-absent": "wrong"}
    assert found[0].record == txt_record(AT, published)
    assert states(dkim_of(found[0].record, key_file)) == {"dkim": "right"}


@pytest.mark.parametrize(("change", "code", "state"), [
    (lambda text: text.partition("p=")[0] + "p=", "dkim-revoked", "wrong"), (lambda text: text.replace("p=MIIB", "p=MIIC"), "dkim-other-key", "wrong"),
    (lambda text: text.replace("p=", "t=y; p="), "dkim-testing", "doubtful"), (lambda text: text.replace("p=", "h=sha1; p="), "dkim-limits", "wrong"),
    (lambda text: text.replace("p=", "s=tlsrpt; p="), "dkim-limits", "wrong"), (lambda text: text.replace("; ", " ;\t").replace("p=", "p = "), "dkim", "right"),
    (lambda text: text.replace("v=DKIM1; k=rsa; ", ""), "dkim", "right")])
def test_what_is_published_is_read_as_a_receiver_reads_it(key_file: Path, published: str, change: object, code: str, state: str) -> None:
    assert states(dkim_of(txt_record(AT, change(published)), key_file)) == {code: state}  # type: ignore[operator]


def test_another_newsrooms_key_is_not_ours(key_file: Path, tmp_path: Path) -> None:
    """After a key was made anew and not published, every signature fails."""
    found = dkim_of(txt_record(AT, record_value(make_key(tmp_path / "other.pem"))), key_file)
    assert states(found) == {"dkim-other-key": "wrong"}


def test_two_keys_at_one_name_are_one_too_many(key_file: Path, published: str) -> None:
    zone = txt_record(AT, published) + "\n" + txt_record(AT, published.replace("k=rsa; ", ""))
    assert states(dkim_of(zone, key_file)) == {"dkim-several": "wrong"}


def test_a_key_that_is_not_there_or_too_short_is_said_before_anybody_asks_the_dns(tmp_path: Path) -> None:
    assert "publisher dkim new" in dkim_of("", tmp_path / "none.pem")[0].remedy
    short = tmp_path / "short.pem"
    short.write_bytes(rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert states(dkim_of("", short)) == {"dkim-key": "wrong"}


def test_a_key_that_others_can_open_is_shut_by_the_command_shown(key_file: Path, published: str, tmp_path: Path) -> None:
    loose = tmp_path / "loose key.pem"
    loose.write_bytes(key_file.read_bytes())
    loose.chmod(0o644)
    found = dkim_of(txt_record(AT, published), loose)
    assert states(found) == {"dkim-key-open": "wrong", "dkim": "right"}
    assert found[0].record == f"chmod 600 '{loose}'"


def test_without_a_selector_the_relay_signs_and_nothing_is_wrong(tmp_path: Path) -> None:
    assert states(dkim_of("", tmp_path / "none.pem", selector=None)) == {"dkim-relay": "doubtful"}


def test_a_key_server_that_fails_is_no_absent_key(key_file: Path) -> None:
    found = dkim_of("", key_file, failing=(AT,))
    assert (states(found), found[0].record) == ({"dkim-unanswered": "wrong"}, "")


def test_a_policy_in_order_and_domains_that_belong_together() -> None:
    assert states(dmarc_of(GOOD)) == {"dmarc": "right", "dmarc-aligned": "right"}


def test_without_a_policy_the_least_one_is_shown() -> None:
    found = dmarc_of(f"{DOMAIN}. A 192.0.2.1")
    assert states(found) == {"dmarc-absent": "wrong"}
    assert found[0].record == f'_dmarc.{DOMAIN}. TXT "v=DMARC1; p=none; rua=mailto:postmaster@{DOMAIN}"'


@pytest.mark.parametrize(("record", "expected", "to_publish"), [
    ("v=DMARC1; p=none; rua=mailto:postmaster@news.example.jp", {"dmarc-none": "doubtful"},
     "v=DMARC1; p=quarantine; rua=mailto:postmaster@news.example.jp"),
    ("v=DMARC1; p=reject; pct=50; ri=3600; rua=mailto:postmaster@news.example.jp", {"dmarc-gone": "doubtful"},
     "v=DMARC1; p=reject; rua=mailto:postmaster@news.example.jp"),
    ("v=DMARC1; p=reject; t=y; rua=mailto:postmaster@news.example.jp", {"dmarc-testing": "doubtful"},
     "v=DMARC1; p=reject; rua=mailto:postmaster@news.example.jp"),
    ("v=DMARC1; p=reject", {"dmarc-no-reports": "doubtful"}, "v=DMARC1; p=reject; rua=mailto:postmaster@news.example.jp"),
    ("v=DMARC1; rua=mailto:postmaster@news.example.jp", {"dmarc-none": "doubtful"}, "v=DMARC1; p=quarantine; rua=mailto:postmaster@news.example.jp"),
    ("v=DMARC1; p=sometimes", {"dmarc-syntax": "wrong"}, "v=DMARC1; p=none; rua=mailto:postmaster@news.example.jp"),
    ("  v=DMARC1; p=reject", {"dmarc-blank": "wrong"}, "v=DMARC1; p=none; rua=mailto:postmaster@news.example.jp")])
def test_each_fault_of_a_policy_comes_with_the_record_that_mends_it(record: str, expected: dict[str, str], to_publish: str) -> None:
    found = dmarc_of(f'_dmarc.{DOMAIN}. TXT "{record}"\n{DOMAIN}. MX 10 mail.{DOMAIN}.')
    assert states([one for one in found if one.code != "dmarc-aligned"]) == expected
    assert found[0].record == f'_dmarc.{DOMAIN}. TXT "{to_publish}"'


def test_every_record_shown_mends_all_that_can_be_mended_at_once() -> None:
    """Following the last line does not undo the first."""
    found = dmarc_of(f'_dmarc.{DOMAIN}. TXT "v=DMARC1; p=none; pct=100"\n{DOMAIN}. MX 10 mail.{DOMAIN}.')
    assert states(found) == {"dmarc-gone": "doubtful", "dmarc-no-reports": "doubtful", "dmarc-none": "doubtful", "dmarc-aligned": "right"}
    assert [one.record.partition("TXT ")[2] for one in found[:3]] == [f'"v=DMARC1; p=none; rua=mailto:postmaster@{DOMAIN}"'] * 2 + [
        f'"v=DMARC1; p=quarantine; rua=mailto:postmaster@{DOMAIN}"']


def test_two_policies_are_none() -> None:
    """RFC 9989 section 4.10: with several records a receiver goes on as if there were none."""
    assert states(dmarc_of(f'_dmarc.{DOMAIN}. TXT "v=DMARC1; p=none"\n_dmarc.{DOMAIN}. TXT "v=DMARC1; p=reject"')) == {"dmarc-several": "wrong"}


def test_a_policy_at_the_domain_itself_is_sent_to_its_place() -> None:
    """As when a host puts a wildcard under the domain."""
    found = dmarc_of(f'{DOMAIN}. TXT "v=DMARC1; p=reject"\n_dmarc.{DOMAIN}. A 192.0.2.1')
    assert states(found) == {"dmarc-misplaced": "wrong"}
    assert found[0].record.startswith(f"_dmarc.{DOMAIN}. TXT")


def test_the_policy_of_a_domain_above_is_found_by_the_walk() -> None:
    """And its `sp`, which is the one for what lies below."""
    found = dmarc_of('_dmarc.example.jp. TXT "v=DMARC1; p=reject; sp=none; rua=mailto:d@example.jp"\nexample.jp. MX 10 m.example.jp.\n'
                     f"{DOMAIN}. A 192.0.2.1")
    assert states(found) == {"dmarc-none": "doubtful", "dmarc-aligned": "right"}
    assert found[0].record == '_dmarc.example.jp. TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@example.jp"'


def test_reports_to_a_stranger_need_its_word() -> None:
    """RFC 9990 section 4: without it no receiver sends any."""
    zone = f'_dmarc.{DOMAIN}. TXT "v=DMARC1; p=reject; rua=mailto:us@reports.example.com"\n{DOMAIN}. A 192.0.2.1\nreports.example.com. MX 10 m.example.com.'
    found = dmarc_of(zone)
    assert states(found)["dmarc-stranger"] == "doubtful"
    assert found[0].record == f'{DOMAIN}._report._dmarc.reports.example.com. TXT "v=DMARC1"'
    assert states(dmarc_of(zone + "\n" + found[0].record)) == {"dmarc": "right", "dmarc-aligned": "right"}


@pytest.mark.parametrize(("envelope", "signature", "tags", "code", "state"), [
    ("bounces.news.example.jp", DOMAIN, "", "dmarc-aligned", "right"), ("bounces.news.example.jp", None, "", "dmarc-aligned", "right"),
    ("bounces.news.example.jp", DOMAIN, "; aspf=s", "dmarc-envelope-apart", "doubtful"), ("mail.host.example", DOMAIN, "", "dmarc-envelope-apart", "doubtful"),
    ("mail.host.example", None, "", "dmarc-envelope-apart", "doubtful"), ("mail.host.example", "host.example", "", "dmarc-envelope-apart", "wrong"),
    (DOMAIN, "host.example", "", "dmarc-signature-apart", "doubtful"), (DOMAIN, "example.jp", "; adkim=s", "dmarc-signature-apart", "doubtful")])
def test_what_proves_the_mail_has_to_belong_to_its_author(envelope: str, signature: str | None, tags: str, code: str, state: str) -> None:
    """RFC 9989 section 4.5, relaxed by default, strict where the policy says so."""
    found = dmarc_of(GOOD.replace("p=quarantine", f"p=quarantine{tags}"), envelope=envelope, signature=signature)[-1]
    assert (found.code, found.state) == (code, state)


def test_a_policy_that_cannot_be_asked_is_not_called_absent() -> None:
    found = dmarc_of(GOOD, failing=(f"_dmarc.{DOMAIN}",))
    assert (states(found), found[0].record) == ({"dmarc-unanswered": "wrong"}, "")
    silent = dmarc_of(GOOD, silent=(f"_dmarc.{DOMAIN}",), seconds=0.3)
    assert states(silent) == {"dmarc-unanswered": "wrong"}
    above = dmarc_of(f"{DOMAIN}. A 192.0.2.1", failing=("_dmarc.example.jp",))
    assert states(above) == {"dmarc-unanswered": "wrong"}

"""A real Dovecot on this machine: mailboxes that are filled by LMTP and read by IMAP."""

import os
import pwd
import shutil
import smtplib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from imap_tools import MailBoxUnencrypted

from tests.mail_servers import free_port, listens, public_folder, until

# Each brace and setting stands on a line of its own: Dovecot's parser wants it so.
CONFIG = """\
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
mail_fsync = never
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%n {folder}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/{home}{all_users}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service stats {{
  chroot =
}}
"""


def missing() -> str | None:
    """Why Dovecot cannot run here, or None."""
    if not shutil.which("dovecot", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", "")):
        return "not run: Dovecot is absent (tools/servers installs it)"
    return None if shutil.which("openssl") else "not run: openssl is absent, which makes Dovecot's certificate"


class Dovecot:
    """Runs between `start` and `stop`, with everything it writes below `folder`, which other users must be able to enter.

    `users` are names and passwords. With `catch_all` every address ends in the mailbox of that one user, as at a host with a catch-all.
    """

    def __init__(self, folder: Path, users: Mapping[str, str], *, catch_all: str | None = None, extra: str = "") -> None:
        self.folder, self.users, self.catch_all = folder, dict(users), catch_all
        self.imap_port, self.imaps_port, self.lmtp_port = free_port(), free_port(), free_port()
        self.certificate = folder / "cert.pem"
        self._process: subprocess.Popen[bytes] | None = None
        # Dovecot gives mail to nobody who is root.
        account = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        for name in ("run", "state", "mail"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        os.chown(folder / "mail", account.pw_uid, account.pw_gid)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", self.certificate],
                       check=True, capture_output=True, timeout=60)
        (folder / "users").write_text("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in self.users.items()))
        group = subprocess.run(["id", "-gn", account.pw_name], check=True, capture_output=True, text=True).stdout.strip()
        (folder / "dovecot.conf").write_text(extra + CONFIG.format(
            folder=folder, user=account.pw_name, group=group, imap=self.imap_port, imaps=self.imaps_port, lmtp=self.lmtp_port,
            home=catch_all or "%n", all_users=" allow_all_users=yes" if catch_all else ""))

    def start(self) -> "Dovecot":
        """Start, and wait until mail can be read and brought."""
        self._process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.folder / "dovecot.conf"],
                                         stdout=subprocess.DEVNULL, stderr=(self.folder / "start.log").open("wb"))
        until(lambda: listens(self.imap_port) and listens(self.lmtp_port), what="Dovecot")
        return self

    def stop(self) -> None:
        """Stop the master process, which takes the others along."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def deliver(self, data: bytes, sender: str, recipient: str) -> None:
        """Bring a mail by LMTP, as a mail server does."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, "mx.test.example") as line:
            line.sendmail(sender, [recipient], data)

    @contextmanager
    def mailbox(self, user: str, folder: str = "INBOX") -> Iterator[MailBoxUnencrypted]:
        """The user's mailbox, opened."""
        with MailBoxUnencrypted("127.0.0.1", self.imap_port, timeout=10) as box:
            box.login(user, self.users[user], initial_folder=folder)
            yield box

    def mails(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """The mails in a folder, whole, oldest first; none where the folder is absent."""
        with self.mailbox(user) as box:
            if not box.folder.exists(folder):
                return []
            box.folder.set(folder)
            return [box.client.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1] for uid in box.uids(charset=None)]

    def url(self, user: str, folder: str = "INBOX") -> str:
        """The mailbox's address in the settings."""
        return f"imap://{user}@127.0.0.1:{self.imap_port}/{folder}"


@contextmanager
def dovecot(users: Mapping[str, str], *, catch_all: str | None = None, extra: str = "") -> Iterator[Dovecot]:
    """A running Dovecot, gone after the block. Skips the test where there is none."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with public_folder("dovecot") as folder:
        server = Dovecot(folder, users, catch_all=catch_all, extra=extra)
        try:
            yield server.start()
        finally:
            server.stop()

"""A real Postfix on this machine: mail goes in by SMTP and out to where a test routes its domain, never anywhere else."""

import json
import os
import pwd
import re
import shutil
import signal
import smtplib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mail_servers import free_port, listens, public_folder, until

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
config_directory = {folder}/conf
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test.example
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
biff = no
disable_dns_lookups = yes
smtp_host_lookup = native
smtp_tls_security_level = none
# what no test has routed goes nowhere
default_transport = error:5.4.4 no route in this test
relay_domains = texthash:{folder}/conf/domains
transport_maps = texthash:{folder}/conf/transport
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/conf/verify, permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
# as docs/mailbox.md has it
recipient_delimiter = +
lmtp_destination_recipient_limit = 1
unverified_recipient_reject_code = 550
address_verify_poll_delay = 1s
# what is put off is tried again within the patience of a test
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""
MASTER = """\
127.0.0.1:{port} inet n - n - 200 smtpd
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
pickup    unix  n       -       n       60      1       pickup
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       50      smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
lmtp      unix  -       -       n       -       -       lmtp{lmtp_flags}
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


def missing() -> str | None:
    """Why Postfix cannot run here, or None."""
    if not shutil.which("postfix", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", "")):
        return "not run: Postfix is absent (tools/servers installs it)"
    return None if os.getuid() == 0 else "not run: Postfix is started by root only"


class Postfix:
    """Runs between `start` and `stop`, with everything it writes below `folder`, which other users must be able to enter.

    `main` and `master` are lines added to main.cf and master.cf; `lmtp_flags` such as `flags=O` change what lmtp(8) adds to a mail.
    """

    def __init__(self, folder: Path, *, main: str = "", master: str = "", lmtp_flags: str = "") -> None:
        self.folder, self.port = folder, free_port()
        self._routes: dict[str, str] = {}
        self._master_pid: int | None = None
        for name in ("conf", "queue", "data", "log"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        (folder / "conf" / "main.cf").write_text(_without(MAIN.format(folder=folder), main) + main)
        (folder / "conf" / "master.cf").write_text(MASTER.format(port=self.port, lmtp_flags=f" {lmtp_flags}" if lmtp_flags else "") + master)
        self._write_maps()

    def start(self) -> "Postfix":
        """Start, and wait until mail can be brought."""
        self._run("postfix", "start")
        self._master_pid = int((self.folder / "queue" / "pid" / "master.pid").read_text())
        until(lambda: listens(self.port), what="Postfix")
        return self

    def stop(self) -> None:
        """Stop the master process, which takes the others along."""
        if self._master_pid is None:
            return
        pid, self._master_pid = self._master_pid, None
        os.kill(pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of Postfix")

    @property
    def url(self) -> str:
        """Its address as a relay in the settings."""
        return f"smtp://127.0.0.1:{self.port}"

    def route(self, domain: str, *, lmtp: int | None = None, smtp: int | None = None, transport: str | None = None, reject: str | None = None) -> None:
        """Where mail for the domain goes: by LMTP or SMTP to a port of this machine, by a `transport` of `master`, or nowhere (`5.1.1 nobody here`).

        Recipients of a domain that goes by LMTP are asked for there before they are accepted.
        """
        here = transport or f"error:{reject or '5.1.1 refused'}"
        self._routes[domain] = f"lmtp:[127.0.0.1]:{lmtp}" if lmtp else f"smtp:[127.0.0.1]:{smtp}" if smtp else here
        self._write_maps()
        if self._master_pid is not None:
            self._run("postfix", "reload")

    def submit(self, data: bytes, sender: str, recipients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Bring a mail; who was refused, with code and answer. With nobody left it is not brought at all."""
        with smtplib.SMTP("127.0.0.1", self.port, "test.example", timeout=60) as line:
            line.ehlo()
            line.mail(sender)
            answers = {recipient: line.rcpt(recipient) for recipient in recipients}
            refused = {recipient: answer for recipient, answer in answers.items() if answer[0] != 250}
            if len(refused) < len(recipients):
                code, answer = line.data(data)
                assert code == 250, (code, answer)
        return refused

    def queue(self) -> list[dict[str, object]]:
        """What waits, as postqueue(1) tells it."""
        return [json.loads(line) for line in self._run("postqueue", "-j").splitlines() if line.strip()]

    def flush(self) -> None:
        """Try at once what waits."""
        self._run("postqueue", "-f")

    def log(self) -> str:
        """Its log."""
        path = self.folder / "log" / "mail.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def _write_maps(self) -> None:
        conf = self.folder / "conf"
        (conf / "transport").write_text("".join(f"{domain} {way}\n" for domain, way in self._routes.items()))
        (conf / "domains").write_text("".join(f"{domain} ok\n" for domain in self._routes))
        (conf / "verify").write_text("".join(f"{domain} reject_unverified_recipient\n" for domain, way in self._routes.items()
                                             if way.startswith("lmtp:")))

    def _run(self, *command: str) -> str:
        done = subprocess.run([f"/usr/sbin/{command[0]}", "-c", str(self.folder / "conf"), *command[1:]], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr + self.log()
        return done.stdout


def _without(settings: str, others: str) -> str:
    """The settings that `others` does not set as well: postlogd(8) warns of a second one over the socket that it serves itself, and may wait for ever."""
    again = set(re.findall(r"^(\w+) *=", others, re.MULTILINE))
    return "".join(line for line in settings.splitlines(keepends=True) if line.partition(" =")[0] not in again)


@contextmanager
def postfix(**options: str) -> Iterator[Postfix]:
    """A running Postfix, gone after the block. Skips the test where there is none."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with public_folder("postfix") as folder:
        server = Postfix(folder, **options)
        try:
            yield server.start()
        finally:
            server.stop()

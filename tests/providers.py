"""Mailgun and Postmark as their documents describe them, and SES as far as it refuses: real servers on this machine that check what they are given."""

import base64
import email
import email.header
import email.policy
import email.utils
import io
import json
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from python_multipart import parse_form

from publisher.deliver.headers import header_line, route
from publisher.deliver.message import Mail
from publisher.settings_sending import RelayEntry

KEY = "key-of-a-relay"
LEAVE = "https://news.example.jp/u/"
_VARIABLE = re.compile(r"%recipient\.([\w:-]+)%")
_PLAIN = re.compile(r"(?:\"(?:[^\"\\]|\\.)+\"|[^\s@<>,;\"]+)@[A-Za-z0-9.-]+")


def mail(recipient: str = "hanako@example.net", *, subject: str = "朝のAI 第12号", sender: str = "朝のAI編集部 <news@example.jp>", token: str = "",
         text: str = "おはようございます。\n登録の解除: {leave}\n", html: str = "<p>おはようございます。</p>\n<a href=\"{leave}\">登録の解除</a>\n",
         envelope: str = "", more: Sequence[tuple[str, str]] = (), padding: int = 0) -> Mail:
    """A mail as the engine makes it: headers of our own, both bodies in base64, and what differs by reader in each of them."""
    token = token or recipient.partition("@")[0].encode().hex()
    leave = f"{LEAVE}{token}"
    head = [("From", sender), ("To", recipient), ("Date", "Fri, 05 Dec 2025 07:00:00 +0900"), ("Message-ID", f"<{token}@example.jp>"),
            ("List-Unsubscribe", f"<{leave}>, <mailto:u+{token}@bounces.example.jp?subject=unsubscribe>"),
            ("Subject", subject), ("List-Id", "朝のAI <daily.news.example.jp>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("Reply-To", "編集部 <desk@example.jp>"), *more, ("MIME-Version", "1.0")]
    lines = [header_line(name, route(value) if name == "To" else value) for name, value in head]
    lines.append(b'Content-Type: multipart/alternative;\r\n boundary="=_b"\r\n\r\n')
    for kind, body in (("plain", text + "x" * padding), ("html", html)):
        encoded = base64.encodebytes(body.replace("{leave}", leave).replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
        lines.append(f"--=_b\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + encoded)
    return Mail(envelope or f"b+{token}@bounces.example.jp", route(recipient), b"".join([*lines, b"--=_b--\r\n"]))


def relay(url: str, endpoint: str, name: str = "far") -> RelayEntry:
    """The entry of a provider in publisher.toml."""
    return RelayEntry.model_validate({"name": name, "url": url, "endpoint": endpoint})


@dataclass(frozen=True)
class Got:
    """A mail in somebody's mailbox, as a program for mail reads it."""

    to: str
    sender: tuple[str, str]
    subject: str
    headers: dict[str, str]
    text: str
    html: str


def got(data: bytes) -> Got:
    """What a reader finds who gets these bytes."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    head = {name.lower(): re.sub(r"\r?\n", "", value) for name, value in message.items()}
    assert len(head) == len(message.items()), "a header stands there twice"
    name, address = email.utils.parseaddr(head["from"])
    bodies = {part.get_content_type(): part.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")
              for part in message.walk() if not part.is_multipart()}
    return Got(head["to"], (_decoded(name), address), _decoded(head["subject"]), head, bodies["text/plain"], bodies["text/html"])


def _decoded(value: str) -> str:
    return str(email.header.make_header(email.header.decode_header(value)))


class Refusal(Exception):
    """A call that the provider does not take: an HTTP status and a body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(body)
        self.status, self.body = status, body


@dataclass
class Fake:
    """A provider inside its block. Each call takes the next word of its plan, and is judged as documented when there is none.

    Words: "cut" (takes it, closes without an answer), "cut before" (closes, reads nothing), "stall" (takes it, says nothing until the block ends),
    "garbled" (takes it, a success that is no JSON), "taken 500" (takes it, an error), and a status alone ("429": takes nothing).
    """

    plan: list[Any] = field(default_factory=list)
    mailbox: list[Got] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    says: dict[str, Any] = field(default_factory=dict)  # what it says with a status of its plan

    def __enter__(self) -> Any:
        self.lock, self.over = threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: Any, body: bytes) -> Any:
        """Judge one call and file what it brings. Raises Refusal."""
        raise NotImplementedError

    def of(self, address: str) -> Got:
        """The one mail of a reader."""
        (found,) = [one for one in self.mailbox if one.to == address]
        return found


class _Handler(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_POST(self) -> None:
        """One call."""
        with self.fake.lock:
            word = self.fake.plan.pop(0) if self.fake.plan else ""
            self.fake.calls.append(self.path)
        if word == "cut before":
            return self._cut()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if word and (word.isdigit() or word in self.fake.says):
            return self._answer(int(word.partition(" ")[0]), self.fake.says.get(word, {"message": f"said {word}", "Message": f"said {word}"}))
        try:
            with self.fake.lock:
                answer = self.fake.take(self.path, self.headers, body)
        except Refusal as refusal:
            return self._answer(refusal.status, refusal.body)
        if word == "stall":
            self.fake.over.wait(5)
        if word in ("cut", "stall"):
            return self._cut()
        if word.startswith("taken "):
            return self._answer(int(word.removeprefix("taken ")), {"message": "internal"})
        return self._answer(200, b"<html>" if word == "garbled" else answer)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if isinstance(body, dict) and "__type" in body:
            self.send_header("x-amzn-ErrorType", body["__type"])
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@dataclass
class FakeMailgun(Fake):
    """https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages"""

    domain: str = "mg.example.jp"
    bad: set[str] = field(default_factory=set)

    def take(self, path: str, headers: Any, body: bytes) -> Any:
        """One call of messages or messages.mime."""
        if headers["Authorization"] != "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode():
            raise Refusal(401, b"Forbidden")
        if path not in (f"/v3/{self.domain}/messages", f"/v3/{self.domain}/messages.mime"):
            raise Refusal(404, {"message": f"Domain not found: {path}"})
        fields = self._fields(headers["Content-Type"], body)
        recipients = list(dict.fromkeys(fields.get("to", ())))  # duplicate addresses are ignored
        if not recipients or any(one in self.bad or not _PLAIN.fullmatch(one) for one in recipients):
            raise Refusal(400, {"message": "'to' parameter is not a valid address. please check documentation"})
        if any(value != "no" for name, values in fields.items() if name.startswith("o:tracking") for value in values) or "o:tracking" not in fields:
            raise Refusal(400, {"message": "this test wants no tracking"})
        self.mailbox += self._mime(fields, recipients) if path.endswith(".mime") else self._batch(fields, recipients)
        return {"id": f"<20251205.{len(self.calls)}@{self.domain}>", "message": "Queued. Thank you."}

    def _fields(self, kind: str, body: bytes) -> dict[str, list[str]]:
        assert kind.startswith("multipart/form-data")
        fields: dict[str, list[str]] = {}

        def add(name: bytes | None, content: bytes) -> None:
            fields.setdefault((name or b"").decode(), []).append(content.decode("latin-1" if name == b"message" else "utf-8"))

        parse_form({"Content-Type": kind.encode(), "Content-Length": str(len(body)).encode()}, io.BytesIO(body),
                   lambda one: add(one.field_name, one.value or b""), lambda one: add(one.field_name, _whole(one.file_object)))
        known = ("from", "to", "subject", "text", "html", "recipient-variables", "message")
        strange = [name for name in fields if name not in known and not name.startswith(("o:", "h:"))]
        options = sum(len(name) + len(value) for name, values in fields.items() if name[1:2] == ":" for value in values)
        if strange or options > 16_384:
            raise Refusal(400, {"message": f"unknown parameters {strange}, or {options} bytes of options"})
        return fields

    def _mime(self, fields: dict[str, list[str]], recipients: list[str]) -> list[Got]:
        if set(fields) - {"to", "message"} - {name for name in fields if name.startswith("o:")}:
            raise Refusal(400, {"message": "parameters that messages.mime does not have"})
        found = got(fields["message"][0].encode("latin-1"))
        return [Got(one, found.sender, found.subject, found.headers, self._links(found.text), self._links(found.html)) for one in recipients]

    def _batch(self, fields: dict[str, list[str]], recipients: list[str]) -> list[Got]:
        if len(recipients) > 1000:
            raise Refusal(400, {"message": "too many recipients"})
        if not all(fields.get(name) for name in ("from", "subject")) or not (fields.get("text") or fields.get("html")):
            raise Refusal(400, {"message": "from, subject, and one of text and html are needed"})
        told = json.loads(fields["recipient-variables"][0]) if "recipient-variables" in fields else {}
        if "recipient-variables" in fields and set(told) != set(recipients):
            raise Refusal(400, {"message": "recipient-variables is not a dictionary of the recipients"})
        shown = {one: one if told else ", ".join(recipients) for one in recipients}
        return [self._made(fields, shown[one], one, told.get(one)) for one in recipients]

    def _made(self, fields: dict[str, list[str]], to: str, one: str, values: dict[str, str] | None) -> Got:
        def filled(text: str) -> str:
            # Variables are replaced in batches only, once, and everywhere; an unknown one stays as it is.
            text = _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text).replace("%recipient%", one) if values is not None else text
            return self._links(text)

        head = {"to": to, "from": filled(fields["from"][0]), "subject": filled(fields["subject"][0])}
        head |= {name[2:].lower(): filled(value) for name, (value, *_more) in fields.items() if name.startswith("h:")}
        # A Message-ID that does not look like one is replaced (mailgun/mailgun.js#394).
        written = fields.get("h:Message-ID", [""])[0]
        if not re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", written):
            head["message-id"] = f"<mailgun-{len(self.mailbox)}@{self.domain}>"
        sender = email.utils.parseaddr(head["from"])
        return Got(one, sender, head["subject"], head, filled(fields.get("text", [""])[0]), filled(fields.get("html", [""])[0]))

    def _links(self, text: str) -> str:
        return re.sub(r"%(?:tag_|mailing_list_)?unsubscribe_url%", "https://email.mg.example.jp/u/theirs", text)


def _whole(file: Any) -> bytes:
    file.seek(0)
    return bytes(file.read())


@dataclass
class FakePostmark(Fake):
    """https://postmarkapp.com/developer/api/email-api"""

    stream: str = "broadcast"
    bad: set[str] = field(default_factory=set)
    inactive: set[str] = field(default_factory=set)
    says_of: dict[str, tuple[int, str]] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    largest: int = 50_000_000

    def take(self, path: str, headers: Any, body: bytes) -> Any:
        """One call of /email/batch."""
        if headers["X-Postmark-Server-Token"] != KEY:
            raise Refusal(401, {"ErrorCode": 10, "Message": "Bad or missing Server API token"})
        if path != "/email/batch" or headers["Accept"] != "application/json" or headers["Content-Type"] != "application/json":
            raise Refusal(404, {"ErrorCode": 0, "Message": "no such call"})
        if len(body) > self.largest:
            raise Refusal(413, b"<html>413 Payload Too Large</html>")
        messages = json.loads(body)
        if not isinstance(messages, list) or len(messages) > 500:
            raise Refusal(422, {"ErrorCode": 410, "Message": "too many messages"})
        return [self._one(message) for message in messages]

    def _one(self, message: dict[str, Any]) -> dict[str, Any]:
        fault = self._fault(message)
        if fault is not None:
            return {"ErrorCode": fault[0], "Message": fault[1]}
        given = {entry["Name"].lower(): entry["Value"] for entry in message["Headers"]}
        if given.pop("x-pm-keepid", "") != "true":
            given["message-id"] = "<theirs@mtasv.net>"
        head = given | {"to": message["To"], "from": message["From"], "subject": message["Subject"], "date": "Fri, 05 Dec 2025 07:00:09 +0900"}
        if "ReplyTo" in message:
            head["reply-to"] = message["ReplyTo"]
        self.metadata[message["To"]] = message["Metadata"]
        self.mailbox.append(Got(message["To"], email.utils.parseaddr(message["From"]), message["Subject"], head, message.get("TextBody", ""),
                                message.get("HtmlBody", "")))
        return {"ErrorCode": 0, "Message": "OK", "MessageID": f"b7bc2f4a-{len(self.mailbox):04d}", "SubmittedAt": "2025-12-05T07:00:09Z", "To": message["To"]}

    def _fault(self, message: dict[str, Any]) -> tuple[int, str] | None:
        known = {"From", "To", "Subject", "TextBody", "HtmlBody", "ReplyTo", "Headers", "MessageStream", "TrackOpens", "TrackLinks", "Metadata"}
        if set(message) - known or not {"From", "To", "Headers", "MessageStream"} <= set(message) or not message.keys() & {"TextBody", "HtmlBody"}:
            return 403, f"Incompatible JSON: {sorted(message)}"
        theirs = {"date", "reply-to", "from", "to", "cc", "bcc", "subject", "sender", "content-type", "mime-version", "dkim-signature"}
        for entry in message["Headers"]:
            if set(entry) != {"Name", "Value"} or entry["Name"].lower() in theirs or not entry["Value"].isascii() or "\n" in entry["Value"]:
                return 300, f"Header '{entry['Name']}' not allowed."
        if any(len(name) > 20 or len(value) > 80 for name, value in message["Metadata"].items()) or len(message["Metadata"]) > 10:
            return 300, "Metadata is too long."
        if message["TrackLinks"] != "None" or message["TrackOpens"] is not False:
            return 300, "This test wants no tracking."
        if message["MessageStream"] != self.stream:
            return 1235, f"The 'MessageStream' provided ({message['MessageStream']}) does not exist on this server."
        if message["To"] in self.inactive:
            return 406, f"You tried to send to a recipient that has been marked as inactive. Found inactive addresses: {message['To']}."
        if message["To"] in self.bad or not _PLAIN.fullmatch(message["To"]):
            return 300, f"Error parsing 'To': Illegal email address '{message['To']}'. It must contain the '@' symbol."
        return self.says_of.get(message["To"])


@dataclass
class FakeSes(Fake):
    """SES as far as it takes or refuses a raw mail; a mail itself is moto's business."""

    requests: list[dict[str, Any]] = field(default_factory=list)

    def take(self, path: str, headers: Any, body: bytes) -> Any:
        """One SendEmail."""
        assert path == "/v2/email/outbound-emails"
        assert "Signature=" in headers["Authorization"]
        self.requests.append(json.loads(body))
        return {"MessageId": f"0102018f-{len(self.requests):06d}-000000"}

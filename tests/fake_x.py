"""X as its documents describe it, on this machine: it checks signatures, keeps posts in order, and fails as a test tells it."""

import html
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from oauthlib.oauth1.rfc5849 import signature
from twitter_text import parse_tweet

SIGNED_FOR = "https://api.twitter.com"
CONSUMER_KEY, CONSUMER_SECRET, CLIENT_ID = "secret-consumer-key", "secret-consumer-secret", "secret-client"
_LINK = re.compile(r"https?://[^\s]+|\b[A-Za-z]+\.(?:com|org)\b")


def keys(account: str = "main") -> dict[str, str]:
    """The four keys of an account (OAuth 1.0a) by their short names."""
    return {"CONSUMER_KEY": CONSUMER_KEY, "CONSUMER_SECRET": CONSUMER_SECRET,
            "ACCESS_TOKEN": f"secret-token-{account}", "ACCESS_TOKEN_SECRET": f"secret-token-secret-{account}"}


def tokens(account: str = "main") -> dict[str, str]:
    """The first token pair of an account (OAuth 2.0) by their short names."""
    return {"CLIENT_ID": CLIENT_ID, "ACCESS_TOKEN": f"secret-bearer-{account}", "REFRESH_TOKEN": f"secret-refresh-{account}"}


@dataclass(frozen=True, slots=True)
class Tweet:
    """A post that X took, whether or not its answer reached anybody."""

    id: str
    account: str
    text: str
    at: datetime

    def shown(self) -> dict[str, Any]:
        """As the timeline shows it: links as t.co, three characters escaped."""
        urls: list[dict[str, str]] = []

        def shortened(found: re.Match[str]) -> str:
            whole = found[0] if "://" in found[0] else f"http://{found[0]}"
            urls.append({"url": f"https://t.co/{self.id[-4:]}x{len(urls)}", "expanded_url": whole, "display_url": found[0][8:33]})
            return urls[-1]["url"]

        text = html.escape(_LINK.sub(shortened, self.text), quote=False)
        return {"id": self.id, "text": text, "edit_history_tweet_ids": [self.id], **({"entities": {"urls": urls}} if urls else {})}


@dataclass
class FakeX:
    """Listens inside its block. Each post, look or renewal takes the next word of its plan, and does as usual when there is none.

    Words: "cut" (takes it, closes without an answer), "cut before" (closes, takes nothing), "stall" (takes it, says nothing), "503 taken", "503",
    "429", "402", "401", "403", "400", "408", "empty" (takes it, a success with errors and no data), "garbled" (takes it, a success that is no JSON), "odd" (takes it, JSON of another shape),
    "" (as usual).
    `lag` is how long a timeline hides a new post. `on_post` and `on_renewal` are called at the moment a request arrives.
    """

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    plan: list[str] = field(default_factory=list)
    looking: list[str] = field(default_factory=list)
    renewing: list[str] = field(default_factory=list)
    lag: timedelta = timedelta(0)
    reset: datetime | None = None
    scope: str = "tweet.read tweet.write users.read offline.access"
    on_post: Callable[[str], None] = lambda _text: None
    posts: list[Tweet] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    renewals: int = 0
    bearers: dict[str, str] = field(default_factory=lambda: {"secret-bearer-main": "main"})
    refreshes: dict[str, str] = field(default_factory=lambda: {"secret-refresh-main": "main"})
    nonces: set[str] = field(default_factory=set)

    def __enter__(self) -> "FakeX":
        self.lock, self.over = threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"x": self}))
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def texts(self, account: str | None = None) -> list[str]:
        """What was posted, in its order."""
        return [post.text for post in self.posts if account in (None, post.account)]

    def take(self, account: str, text: str) -> Tweet | None:
        """Keep a post; None when the account has this text already."""
        with self.lock:
            if any(post.text == text for post in self.posts if post.account == account):
                return None
            self.posts.append(Tweet(str(1900000000000000001 + len(self.posts)), account, text, self.clock()))
            return self.posts[-1]

    def renew(self, refresh: str) -> dict[str, Any] | None:
        """A new pair for a refresh token that was not used before."""
        with self.lock:
            account = self.refreshes.pop(refresh, None)
            if account is None:
                return None
            self.renewals += 1
            bearer, following = f"secret-bearer-{account}-{self.renewals}", f"secret-refresh-{account}-{self.renewals}"
            self.bearers, self.refreshes[following] = {bearer: account}, account
            return {"token_type": "bearer", "expires_in": 7200, "access_token": bearer, "refresh_token": following, "scope": self.scope}


class _Handler(BaseHTTPRequestHandler):
    x: FakeX
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        """The account itself, or its timeline."""
        self._arrive()
        account = self._account()
        if account is None or self._fails(self.x.looking):
            return
        if self.path_only == "/2/users/me":
            self._answer(200, {"data": {"id": _id(account), "name": account, "username": account}})
        elif self.path_only == f"/2/users/{_id(account)}/tweets":
            self._answer(200, self._timeline(account))
        else:
            self._answer(404, _problem("Not Found", 404))

    def do_POST(self) -> None:
        """A post, or a refresh token."""
        self._arrive()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path_only == "/2/oauth2/token":
            return self._renew(dict(parse_qsl(body)))
        account = self._account()
        if account is None:
            return None
        text = json.loads(body).get("text") or ""
        self.x.on_post(text)
        if self._fails(self.x.plan, lambda: self.x.take(account, text)):
            return None
        return self._post(account, text)

    def _arrive(self) -> None:
        self.path_only = urlsplit(self.path).path
        self.x.log.append(f"{self.command} {self.path_only}")

    def _post(self, account: str, text: str) -> None:
        if not text:
            return self._answer(400, {"title": "Invalid Request", "detail": "One or more parameters to your request was invalid.",
                                      "type": "https://api.twitter.com/2/problems/invalid-request", "errors": [{"message": "text is missing"}]})
        if parse_tweet(text).weightedLength > 280:
            return self._answer(400, _problem("Your Tweet text is too long.", 400))
        made = self.x.take(account, text)
        if made is None:
            return self._answer(403, _problem("You are not allowed to create a Tweet with duplicate content.", 403))
        return self._answer(201, {"data": {"id": made.id, "text": made.shown()["text"], "edit_history_tweet_ids": [made.id]}})

    def _timeline(self, account: str) -> dict[str, Any]:
        query = parse_qs(urlsplit(self.path).query)
        start = datetime.fromisoformat(query["start_time"][0]) if "start_time" in query else datetime.min.replace(tzinfo=UTC)
        end = datetime.fromisoformat(query["end_time"][0]) if "end_time" in query else self.x.clock()
        latest = min(self.x.clock() - self.x.lag, end)
        shown = [post.shown() for post in reversed(self.x.posts) if post.account == account and start <= post.at <= latest]
        if "entities" not in query.get("tweet.fields", [""])[0]:
            shown = [{name: value for name, value in post.items() if name != "entities"} for post in shown]
        first, most = int(query.get("pagination_token", ["0"])[0]), int(query.get("max_results", ["10"])[0])
        following = {"next_token": str(first + most)} if len(shown) > first + most else {}
        shown = shown[first:first + most]
        return {"data": shown, "meta": {"result_count": len(shown)} | following} if shown else {"meta": {"result_count": 0}}

    def _renew(self, form: dict[str, str]) -> None:
        if self._fails(self.x.renewing, lambda: self.x.renew(form.get("refresh_token", ""))):
            return None
        right = form.get("grant_type") == "refresh_token" and form.get("client_id") == CLIENT_ID
        given = self.x.renew(form["refresh_token"]) if right else None
        return self._answer(200, given) if given else self._answer(400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."})

    def _account(self) -> str | None:
        """Who is asking; answers 401 and gives None when nobody can tell."""
        said = self.headers.get("Authorization", "")
        account = self.x.bearers.get(said.removeprefix("Bearer ")) if said.startswith("Bearer ") else self._signer(said)
        if account is None:
            self._answer(401, _problem("Unauthorized", 401))
        return account

    def _signer(self, said: str) -> str | None:
        given = dict(signature.collect_parameters(headers={"Authorization": said}, exclude_oauth_signature=False))
        account = given.get("oauth_token", "").removeprefix("secret-token-")
        parameters = signature.collect_parameters(uri_query=urlsplit(self.path).query, headers={"Authorization": said})
        request = SimpleNamespace(http_method=self.command, uri=SIGNED_FOR + self.path, params=parameters, signature=given.get("oauth_signature", ""))
        nonce = given.get("oauth_nonce", "")
        right = (given.get("oauth_consumer_key") == CONSUMER_KEY and given.get("oauth_signature_method") == "HMAC-SHA1" and nonce not in self.x.nonces
                 and signature.verify_hmac_sha1(request, CONSUMER_SECRET, keys(account)["ACCESS_TOKEN_SECRET"]))
        self.x.nonces.add(nonce)
        return account if right else None

    def _fails(self, plan: list[str], take: Callable[[], object] = lambda: None) -> bool:
        """Do what the next word of the plan says; false when that is the usual."""
        with self.x.lock:
            word = plan.pop(0) if plan else ""
        if not word:
            return False
        if word in ("cut", "stall", "503 taken", "empty", "garbled", "odd"):
            take()
        if word == "stall":
            self.x.over.wait(5)
        if word in ("cut", "cut before", "stall"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif word.startswith("503"):
            self._answer(503, b"<html><body><h1>503 Over capacity</h1></body></html>", "text/html")
        elif word in ("empty", "garbled", "odd"):
            self._answer(200, {"empty": _ERRORS, "garbled": b"<html>", "odd": ["ok"]}[word])
        else:
            headers = {"x-rate-limit-reset": str(int(self.x.reset.timestamp()))} if word == "429" and self.x.reset else {}
            self._answer(int(word), _problem(_SAID[word], int(word)), **headers)
        return True

    def _answer(self, status: int, body: object, kind: str = "application/json", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


_SAID = {"400": "One or more parameters to your request was invalid.", "401": "Unauthorized",
         "402": "Your enrolled account does not have any credits to fulfill this request.",
         "403": "You are not permitted to perform this action.", "408": "Request Timeout", "429": "Too Many Requests"}

_ERRORS = {"errors": [{"title": "Not Found Error", "detail": "Could not find it.", "type": "https://api.twitter.com/2/problems/resource-not-found"}]}


def _problem(detail: str, status: int) -> dict[str, Any]:
    titles = {400: "Bad Request", 401: "Unauthorized", 402: "CreditsDepleted", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 429: "Too Many Requests"}
    return {"detail": detail, "type": "about:blank", "title": titles[status], "status": status}


def _id(account: str) -> str:
    return str(10_000 + sum(account.encode()))

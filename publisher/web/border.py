"""The border of the web: what every answer carries, and how much a request may bring."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A form of ours has a few hundred bytes; RFC 8058's has 26.
LARGEST_BODY = 64 * 1024
# SendGrid gathers a thousand events in one message, SES puts a mail's headers into one.
LARGEST_HOOK = 1024 * 1024
_HOOKS = "/hooks/"


class Border:
    """Gives each answer the headers it lacks, and refuses a body that is too large without reading it."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        largest = LARGEST_HOOK if scope["path"].startswith(_HOOKS) else LARGEST_BODY
        length = Headers(scope=scope).get("content-length", "0")
        came = int(length) if length.isdecimal() and len(length) < 16 else largest + 1

        async def limited() -> Message:
            nonlocal came
            # Raised where the body is read, so that the refusal becomes a page as any other.
            if came > largest:
                raise HTTPException(413)
            message = await receive()
            if "content-length" not in Headers(scope=scope):
                came += len(message.get("body", b""))
                if came > largest:
                    raise HTTPException(413)
            return message

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                # It can name no site; where the policy names some, browsers of today go by that, and older ones would show nothing.
                if "frame-ancestors 'none'" not in headers.get("content-security-policy", ""):
                    del headers["x-frame-options"]
            await send(message)

        await self.app(scope, limited, dressed)

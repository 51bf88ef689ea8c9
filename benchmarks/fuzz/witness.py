"""An application that notes what reaches it, for comparing readers of the same bytes."""

import hashlib
import json
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

BEGUN = "begun"


@dataclass
class Witness:
    """Notes each request as its target and `begun`, and when it has arrived as its target and its body's digest."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"]
        target = (bytes(scope["raw_path"]) + (b"?" + query if query else b"")).decode("latin-1")
        self.seen.append((target, BEGUN))
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append((target, digest(body)))
        told = json.dumps([target, digest(body)]).encode()
        headers = [(b"content-length", b"%d" % len(told)), (b"x-seen", digest(body).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})


def digest(body: bytes) -> str:
    """What a body is known by."""
    return hashlib.sha256(body).hexdigest()[:16]

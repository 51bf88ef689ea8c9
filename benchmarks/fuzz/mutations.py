"""Seeded mutations: of JSON documents, where their meaning is, and of bytes, where it is not."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any, Final

NAMES: Final = (
    *("model", "prompt", "n", "size", "aspect_ratio", "--aspect_ratio", "image_size", "stream", "metadata", "seed"),
    *("image", "images", "mask", "url", "image_url", "b64_json", "extra_body", "google", "image_config", "imageConfig"),
    *("messages", "role", "content", "type", "text", "stream_options", "response_format", "webhook_url", "user"),
    *("contents", "parts", "inlineData", "data", "fileData", "fileUri", "systemInstruction", "generationConfig"),
    *("__proto__", "api_base", "base_url", "headers", "mock_response", "$ref", "", "\u202e", "tools", "max_tokens"),
)
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2, 10, 11, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 0.5, 1.0, 1e300, -0.0, 5e-324),
    *("", " ", "1", "true", "null", "auto", "1:1", "16:9", "0:0", "1024x1024", "-1x0", "9" * 400, "2K", "512", "url"),
    *("\ud800", "\x00", "a\x00b", "\u202egnp", "\ufeff", "é" * 300, "{{7*7}}", "${jndi:x}", "../../etc/passwd", "%00"),
    *("' OR 1=1--", "a" * 40_000, "\r\nSet-Cookie: a=b", "nano-banana", "gpt-small", "*", "models/", "google/x"),
    *("data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,####", "data:,", "data:image/svg+xml,<svg/>"),
    *("http://127.0.0.1:1/x.png", "http://169.254.169.254/", "http://10.0.0.1/", "file:///etc/passwd", "http://[", "x"),
    *([], {}, [[]], [{}], [None], {"": ""}, ["a"] * 1000, {"url": {}}, {"type": "image_url", "image_url": []}),
)  # fmt: skip


def mutated_document(rng: random.Random, seed: Any) -> bytes:
    """The document with one to four of its nodes changed, as JSON text that may be malformed."""
    document = json.loads(json.dumps(seed))
    for _ in range(rng.randint(1, 4)):
        document = rng.choice(_CHANGES)(rng, document)
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5, allow_nan=True).encode("utf-8", "surrogatepass")
    return rng.choice(_TEXTS)(rng, text)


def mutated_bytes(rng: random.Random, data: bytes, splices: tuple[bytes, ...]) -> bytes:
    """The bytes with one to five places flipped, cut, repeated or spliced."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at, length = rng.randrange(len(out) + 1), rng.randint(1, 16)
        match rng.randrange(6):
            case 0:
                out[at:at] = bytes(rng.randrange(256) for _ in range(length))
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length] * rng.randint(1, 50)
            case 3 if out:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 4:
                out[at:at] = rng.choice(splices)
            case _:
                del out[at:]
    return bytes(out)


def _nodes(document: Any) -> list[tuple[Any, Any]]:
    """Every place in the document as container and key."""
    found: list[tuple[Any, Any]] = []
    rest = [document]
    while rest:
        node = rest.pop()
        places = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        )
        found += [(node, key) for key, _ in places]
        rest += [value for _, value in places]
    return found


def _value(rng: random.Random) -> Any:
    """A value of one's own: a document that shares it would change it for the next."""
    return copy.deepcopy(rng.choice(VALUES))


def _replace(rng: random.Random, document: Any) -> Any:
    if not (nodes := _nodes(document)):
        return _value(rng)
    container, key = rng.choice(nodes)
    container[key] = _value(rng)
    return document


def _delete(rng: random.Random, document: Any) -> Any:
    if nodes := _nodes(document):
        container, key = rng.choice(nodes)
        del container[key]
    return document


def _add(rng: random.Random, document: Any) -> Any:
    containers = [document] + [container[key] for container, key in _nodes(document)]
    objects = [container for container in containers if isinstance(container, dict)]
    if objects:
        rng.choice(objects)[rng.choice(NAMES)] = _value(rng)
    return document


def _move(rng: random.Random, document: Any) -> Any:
    nodes = _nodes(document)
    if len(nodes) < 2:
        return document
    (source, source_key), (target, target_key) = rng.sample(nodes, 2)
    target[target_key] = json.loads(json.dumps(source[source_key]))
    return document


def _wrap(rng: random.Random, document: Any) -> Any:
    if nodes := _nodes(document):
        container, key = rng.choice(nodes)
        for _ in range(rng.choice((1, 2, 70))):
            container[key] = [container[key]] if rng.random() < 0.5 else {"a": container[key]}
    return document


def _whole(rng: random.Random, text: bytes) -> bytes:
    return text


def _twice(rng: random.Random, text: bytes) -> bytes:
    """A key that is there twice."""
    return text.replace(b"{", b'{"model":"nano-banana",', 1)


def _odd(rng: random.Random, text: bytes) -> bytes:
    return rng.choice(
        (
            b"\xef\xbb\xbf" + text,
            text + b"]",
            text.replace(b":", b": NaN, :", 1),
            text.decode("latin-1").encode("utf-16"),
        )
    )


def _spoiled(rng: random.Random, text: bytes) -> bytes:
    return mutated_bytes(
        rng, text, (b"{", b"}", b"[", b'"', b"\\u0000", b"\\ud800", b"1e999", b"9" * 5000, b"[" * 2000)
    )


_CHANGES: Final[tuple[Callable[[random.Random, Any], Any], ...]] = (_replace, _replace, _delete, _add, _move, _wrap)
_TEXTS: Final[tuple[Callable[[random.Random, bytes], bytes], ...]] = (*(6 * (_whole,)), _twice, _odd, _spoiled)

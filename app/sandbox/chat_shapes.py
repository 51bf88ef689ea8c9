"""The ways in which chat vendors hide a picture in a message; plays the faults of stage `shape` for them."""

from collections.abc import Sequence
from typing import Final, Literal

from app.sandbox.easel import Handed
from app.sandbox.reading import Json

FRIENDLY: Final = "I can help you with pictures. What should it look like?"
REFUSED: Final = "I'm sorry, but I can't create that image because it violates our content policy."
_PROGRESS: Final = ("🎨 Generating… 10%\n", "🎨 Generating… 50%\n", "✅ Done\n\n")


def message_of(handed: Sequence[Handed], faults: frozenset[str], *, usually: Literal["bare", "markdown"]) -> Json:
    """The assistant's message: `content`, and whatever else a fault puts beside it."""
    if "text_only" in faults:
        return {"role": "assistant", "content": FRIENDLY}
    if "refusal" in faults:
        return {"role": "assistant", "content": REFUSED}
    message: Json = {"role": "assistant", "content": _content(handed, faults, usually)}
    if "raw_base64_content" in faults and handed:
        raw = handed[0].base64 or ""
        message |= {"content": raw, "images": [{"b64_json": raw}], "image_b64_json": raw}
    elif "message_images" in faults:
        message |= {"content": None, "images": _images(handed)}
    elif "thrice" in faults:
        message["images"] = _images(handed)
    return message


def content_pieces(content: object, faults: frozenset[str]) -> list[object]:
    """The content as a stream tells it: whole, or after lines of progress."""
    if "progress_then_image" in faults and isinstance(content, str):
        return [*_PROGRESS, content.removeprefix("".join(_PROGRESS))]
    return [content]


def needs_base64(faults: frozenset[str]) -> frozenset[str]:
    """The faults, with `as_base64` where a shape cannot be made of a URL."""
    return faults | {"as_base64"} if "raw_base64_content" in faults else faults


def _content(handed: Sequence[Handed], faults: frozenset[str], usually: Literal["bare", "markdown"]) -> object:
    uris = [one.uri for one in handed]
    markdown = "\n".join(f"![image]({uri})" for uri in uris)
    if "content_blocks" in faults:
        pictures = [{"type": "image_url", "image_url": {"url": uri}} for uri in uris]
        return [{"type": "text", "text": "Here it is."}, *pictures]
    if "output_image_blocks" in faults:
        return [{"type": "output_image", "image_url": uri} for uri in uris]
    if "two_markdown" in faults and uris:
        return f"First:\n![image]({uris[0]})\nand second:\n![image]({uris[-1]})\nWhich one?"
    if "fifty_markdown" in faults and uris:
        return "\n".join(f"![image {index}]({uris[index % len(uris)]})" for index in range(50))
    if "url_with_text" in faults:
        return f"Here is your picture: {' '.join(uris)} (enjoy it)."
    if "progress_then_image" in faults:
        return "".join(_PROGRESS) + markdown
    bare = usually == "bare"
    if "markdown" in faults:
        bare = False
    if "bare_uri" in faults:
        bare = True
    return "\n".join(uris) if bare else markdown


def _images(handed: Sequence[Handed]) -> list[Json]:
    return [{"type": "image_url", "index": index, "image_url": {"url": one.uri}} for index, one in enumerate(handed)]

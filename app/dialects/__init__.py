"""What vendors speak: one module per wire format, pure, without vendor names; a vendor's oddities are its options."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.core.dialect import ImageDialect
from app.dialects.chat_images import ChatImages
from app.dialects.gemini import Gemini
from app.dialects.image_tasks import ImageTasks
from app.dialects.openai_images import OpenAIImages

DIALECTS: Final[Mapping[str, ImageDialect]] = MappingProxyType(
    {dialect.name: dialect for dialect in (ChatImages(), OpenAIImages(), ImageTasks(), Gemini())}
)
"""The image dialects by the name the catalog uses. `openai_chat` is not among them: it passes text through."""

"""Shapes spoken both by clients and by vendors: OpenAI and Gemini JSON, SSE, multipart, lifted base64."""

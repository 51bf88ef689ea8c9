"""The only caller of vendors: HTTP, deadlines, byte caps, credentials, concurrency and breakers."""

"""Fuzzing: bodies that clients send, bytes that arrive on sockets, answers that vendors give. A seed replays a run."""

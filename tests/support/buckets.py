"""A bucket for tests: a simulated S3 on a socket, and the variables that let into it."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from moto.server import ThreadedMotoServer

BUCKET: Final = "pictures"
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def bucket_endpoint() -> Iterator[str]:
    """The address of a service with an empty bucket, `BUCKET`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/{BUCKET}", trust_env=False).raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()

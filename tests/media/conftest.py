"""What tests of media share: the simulated bucket."""

from tests.support.buckets import bucket_endpoint  # noqa: F401 - fixtures are found by name

"""How hypothesis runs in every room's tests."""

import os

from hypothesis import HealthCheck, settings

# Machines are shared: how long an example takes says nothing about the code. The pipeline judges a change by the same
# examples each time; a developer's run looks for new ones.
settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

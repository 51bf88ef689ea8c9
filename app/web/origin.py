"""Where clients reach us: the base of the links we hand out."""

import re
from typing import Final

from starlette.requests import Request

from app.core.errors import InvalidRequest
from app.gateway.services import Services

_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def base_url_of(request: Request, services: Services) -> str:
    """`PUBLIC_URL`, or the scheme and host that the request came to.

    Raises: InvalidRequest when there is no usable Host header (fault-cases A4): it would end up in links.
    """
    if services.public_url is not None:
        return services.public_url
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise InvalidRequest("The Host header is missing or not valid.")
    return f"{request.scope['scheme']}://{hosts[0]}"

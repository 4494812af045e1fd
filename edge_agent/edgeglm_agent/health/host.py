"""By which names we may be asked: addresses and `localhost`, and no name that somebody else could point at us.

A page from elsewhere whose own name leads here by now (DNS rebinding) could read all that we serve: to the browser it
is of that name, and so are we. The name stands in the Host header.
"""

from ipaddress import ip_address
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

ANY_NAME: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""The kubelet and Prometheus may know us by a name."""


def is_own(host: str) -> bool:
    """Tell whether a Host header, its port included, names us in a way that DNS has no part in."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True


@web.middleware
async def refuse_other_names(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only to addresses, but where any name will do."""
    if request.path not in ANY_NAME and not is_own(request.host):
        raise web.HTTPMisdirectedRequest(text="ask by address, or as localhost\n")
    return await handler(request)

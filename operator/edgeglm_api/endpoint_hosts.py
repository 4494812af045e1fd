"""At which hosts the endpoints of a site may be.

With them pinned, what sensors say goes to no other engine, whoever wrote the graph.
"""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

HOST: Final = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?")
"""As in EdgeSite.spec.endpointHosts: `llm.example.com` at any port, `127.0.0.1:8000` at one."""
_PORTS: Final = {"http": 80, "https": 443}
_NEVER: Final = re.compile(r"[\\@\s\x00-\x1f\x7f]")
"""In an address with one of these, not all readers find the same host."""


def is_pinned(url: str, hosts: Collection[str]) -> bool:
    """Whether an address is at one of the hosts."""
    if _NEVER.search(url):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return False
    written = f"[{host}]" if ":" in host else host
    return written in hosts or f"{written}:{port}" in hosts

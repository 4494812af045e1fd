"""Signs commands as the guide says, by other means than the agent's own."""

import hashlib
import hmac
import json
import secrets
import time
from typing import Any

KEY = b"a key of sixteen bytes or more"


def signed(key: bytes = KEY, **command: Any) -> bytes:
    """A message for the command topic of the graph line-1 at the site plant/edge-1, unless told otherwise."""
    said = {"site": "plant/edge-1", "graph": "line-1", "at": time.time(), "nonce": secrets.token_hex(8)} | command
    text = json.dumps(said)
    mac = hmac.new(key, b"edgeglm-command-v1\n" + text.encode(), hashlib.sha256).hexdigest()
    return json.dumps({"command": text, "mac": mac}).encode()

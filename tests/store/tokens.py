"""Who gives out tokens for a registry, as distribution.github.io/distribution/spec/auth/token says it."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509 import load_pem_x509_certificate

from tests.cluster.pki import make_authority
from tests.store.registry import PASSWORD, USER

SERVICE, ISSUER = "registry.example", "tests"
PUBLIC = "public/"
"""Names that everybody may read begin so."""


class Tokens:
    """A server of tokens."""

    def __init__(self, directory: Path) -> None:
        self._authority = make_authority(directory)
        self._pair = self._authority.issue("tokens", ISSUER)
        self.scopes: list[str] = []
        """What tokens were asked for."""
        self.holds_seconds = 300
        handler = type("Handler", (_Handler,), {"tokens": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    @property
    def configuration(self) -> str:
        """Of a registry that believes them."""
        realm = f"http://127.0.0.1:{self._server.server_port}/token"
        believed = f"service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {self._authority.cert}"
        return f"auth: {{token: {{realm: '{realm}', {believed}}}}}"

    def token(self, scope: str) -> str:
        """For one scope, whoever asks."""
        kind, name, actions = scope.split(":")
        now = int(time.time())
        leaf = load_pem_x509_certificate(self._pair.cert.read_bytes())
        chain = [base64.b64encode(leaf.public_bytes(serialization.Encoding.DER)).decode()]
        head = {"typ": "JWT", "alg": "ES256", "x5c": chain}
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        times = {"nbf": now - 60, "iat": now, "exp": now + 3600}
        claims = {"iss": ISSUER, "aud": SERVICE, "sub": USER, "jti": "1", "access": access, **times}
        signed = f"{_part(json.dumps(head).encode())}.{_part(json.dumps(claims).encode())}"
        return f"{signed}.{_part(self._signature(signed.encode()))}"

    def _signature(self, text: bytes) -> bytes:
        key = serialization.load_pem_private_key(self._pair.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return b"".join(
            number.to_bytes(32) for number in decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    tokens: Tokens

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        asked = self.headers.get("Authorization", "")
        self.tokens.scopes.append(query["scope"])
        pair = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        is_public = query["scope"].split(":")[1].startswith(PUBLIC)
        if asked == pair or (is_public and not asked):
            token = self.tokens.token(query["scope"])
            self._answer(200, {"token": token, "expires_in": self.tokens.holds_seconds})
        else:
            self._answer(401, {"details": "incorrect username or password"})

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells."""

"""Who asks a registry: a password, or a token that is had for it, whichever the registry wants.

distribution.github.io/distribution/spec/auth/token: a registry says in `WWW-Authenticate` where tokens are had and for
which service; they are for one repository, and soon over.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from edgeglm_operator.download.errors import Unreachable
from edgeglm_operator.download.web import Web

_LEAST_SECONDS: Final = 60
"""How long a token holds where nobody says."""


class Access:
    """To read one repository. Without a user it is that of everybody, for which registries want a token too."""

    def __init__(
        self, web: Web, endpoint: str, name: str, *, user: str, password: str, clock: Callable[[], float]
    ) -> None:
        self._web, self._endpoint, self._name, self._clock = web, endpoint, name, clock
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._password: Mapping[str, str] = {"Authorization": f"Basic {pair}"} if user else {}
        self._challenge: str | None = None
        self._token, self._until = "", 0.0

    def sign(self, _method: str, _url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers, and who asks. Raises Broken and DownloadError."""
        if self._challenge is None:
            self._challenge = self._web.challenge(f"{self._endpoint}/v2/")
        match self._challenge.partition(" ")[0].lower():
            case "basic":
                return {**headers, **self._password}
            case "bearer":
                return {**headers, "Authorization": f"Bearer {self._token_from(self._challenge)}"}
        return headers

    def _token_from(self, challenge: str) -> str:
        if self._clock() >= self._until:
            said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
            self._fetch(said.get("realm", ""), said.get("service", ""))
        return self._token

    def _fetch(self, realm: str, service: str) -> None:
        if self._endpoint.startswith("https://") and not realm.startswith("https://"):
            raise Unreachable(f"{self._endpoint} sends to {realm!r} for a token, where passwords could be overheard")
        query = {"service": service, "scope": f"repository:{self._name}:pull"}
        answer, _ = self._web.json(f"{realm}?{urlencode(query)}", self._password)
        try:
            self._token = str(answer.get("token") or answer["access_token"])
            # Half of it, so that none is over on its way.
            self._until = self._clock() + int(answer.get("expires_in") or _LEAST_SECONDS) / 2
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"{realm} answers with no token") from error

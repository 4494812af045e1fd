"""The watch: Kopf tells of events, and each goes straight into the feed. Nothing else imports Kopf.

Handlers only take in: Kopf never repeats a failed event handler, so work that can fail belongs to the queue. With event
handlers alone Kopf writes nothing to anybody's object, no finalizer and no annotation. Its indexes are not used: their
start takes more than quadratic time (measured: 7,200 objects not finished after 150 s; this way 15,000 in 9 s).
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any, Final, cast

import kopf

from edgeglm_api.group import GROUP
from edgeglm_operator.feed import Feed
from edgeglm_operator.kube.client import FIELD_MANAGER, PAGE_SIZE
from edgeglm_operator.kube.connection import Connection
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.obs.metrics import Metrics
from edgeglm_operator.store import Name

_BACKOFFS_SECONDS: Final = (1, 1, 2, 3, 5, 8)


class _ForEver:
    """Delays without an end: a watch outlives any outage of the API server, the 403s of its start included."""

    def __iter__(self) -> Iterator[float]:
        yield from _BACKOFFS_SECONDS
        while True:
            yield _BACKOFFS_SECONDS[-1]


class Watch:
    """Kopf, set up to observe and nothing more."""

    def __init__(self, connection: Connection, feed: Feed, metrics: Metrics, *, identity: str) -> None:
        self._identity = identity
        self._connection = connection
        self._feed = feed
        self._metrics = metrics

    async def run(
        self, selectors: Mapping[Kind, str], *, namespaces: Collection[str], on_stop: Callable[[], Awaitable[None]]
    ) -> None:
        """Observe of each kind what its selector says, until SIGTERM or SIGINT; Kopf installs the handlers.

        Kopf waits 5 s for every task that was started after it and does not end, so `on_stop` must end what we run.
        """
        registry = kopf.OperatorRegistry()
        for kind in selectors:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(self._handler(kind))
        kopf.on.login(registry=registry)(self._login)

        async def stop(**_: Any) -> None:  # noqa: ANN401 - Kopf's own
            await on_stop()

        kopf.on.cleanup(registry=registry)(stop)
        await kopf.operator(
            registry=registry,
            settings=_settings(selectors),
            # Kopf would ask the system for its user's name, and a container's user has none.
            identity=cast("Any", self._identity),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )

    def _handler(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        seen = self._metrics.events_seen.labels(kind.name)
        last = self._metrics.last_event.labels(kind.name)

        async def take(event: Any, **_: Any) -> None:  # noqa: ANN401 - Kopf's own
            seen.inc()
            last.set_to_current_time()
            raw = event["object"]
            if event["type"] == "DELETED":
                name = Name(raw["metadata"].get("namespace", ""), raw["metadata"]["name"])
                self._feed.remove(kind, name, uid=raw["metadata"].get("uid", ""))
            else:
                self._feed.put(kind, raw)

        return take

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:  # noqa: ANN401 - Kopf's own
        """Kopf asks at the start and after each 401, so a rotated token is picked up."""
        login = await self._connection.login()
        return kopf.ConnectionInfo(
            server=login.server,
            ca_path=login.ca_file,
            certificate_path=login.cert_file,
            private_key_path=login.key_file,
            token=login.token,
            insecure=not login.verify,
        )


def _settings(selectors: Mapping[Kind, str]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    # Unused as long as there are event handlers only; named after us so that a slip would be seen.
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.diffbase_storage = _NoDifference()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.posting.reporting_component = FIELD_MANAGER
    settings.scanning.disabled = True
    settings.execution.max_workers = 1
    settings.process.ultimate_exiting_timeout = 25
    # How long the streams of objects may take to run dry at the end; our handlers take no time.
    settings.queueing.exit_timeout = 0.5
    # A stream of an object keeps its last event while it waits for the next one, book of fields and all, as Python
    # objects: 89 KiB of each Deployment, and at the start all objects have a stream.
    settings.queueing.idle_timeout = 0.1
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _ForEver()
    watching = settings.watching
    # Servers send a bookmark each minute; a stream silent for longer is dead though its connection may look alive.
    watching.inactivity_timeout = 90
    watching.server_timeout = 300
    watching.client_timeout = 310
    watching.connect_timeout = 10
    watching.reconnect_backoff = 1.0
    watching.chunk_size = PAGE_SIZE
    for kind, selector in selectors.items():
        if selector:
            # Only as a tuple: 'apps/v1/deployments' is ignored without a word (Kopf 1.45.2).
            watching.label_selectors[kind.group, kind.version, kind.plural] = selector
    return settings


class _NoDifference(kopf.DiffBaseStorage):
    """Kopf's record of what it last saw of an object, left blank.

    With event handlers alone it is never written, nor is the other one below. But Kopf computes both for every event,
    by copies of the whole object, and that was two thirds of what an event cost (measured, Kopf 1.45.2).
    """

    def build(self, **_: Any) -> kopf.BodyEssence:  # noqa: ANN401 - Kopf's own
        """Nothing is essential."""
        return cast("kopf.BodyEssence", {})

    def fetch(self, **_: Any) -> None:  # noqa: ANN401
        """Nothing was stored."""

    def store(self, **_: Any) -> None:  # noqa: ANN401
        """Nothing is stored."""


class _NoProgress(kopf.ProgressStorage):
    """Kopf's record of how far its handlers are, left blank."""

    def fetch(self, **_: Any) -> None:  # noqa: ANN401 - Kopf's own
        """Nothing was stored."""

    def store(self, **_: Any) -> None:  # noqa: ANN401
        """Nothing is stored."""

    def purge(self, **_: Any) -> None:  # noqa: ANN401
        """Nothing was stored."""

    def touch(self, **_: Any) -> None:  # noqa: ANN401
        """Nothing is touched."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Nothing was stored in it."""
        return essence

"""The brokers of a site: for each a session, a publisher and a word of presence, begun as bundles ask for them."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.decode.source_topic import topic_of
from edgeglm_agent.health.status import BrokerStatus
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.mqtt.address import parse_address
from edgeglm_agent.mqtt.connection import Hello, PublishFailed
from edgeglm_agent.mqtt.credentials import CredentialFiles
from edgeglm_agent.mqtt.dialect import Publication
from edgeglm_agent.mqtt.filters import non_overlapping
from edgeglm_agent.mqtt.receiver import Receive
from edgeglm_agent.mqtt.session import Session
from edgeglm_agent.mqtt.subscriptions import Subscriptions
from edgeglm_agent.publish.presence import keep_present, presence, presence_topic
from edgeglm_agent.publish.publisher import Publisher
from edgeglm_agent.spool.spool import Spool
from edgeglm_api.bundle import Bundle, Graph


class Link(msgspec.Struct, frozen=True):
    """All that runs for one broker."""

    session: Session
    publisher: Publisher
    tasks: list[asyncio.Task[None]]


class Brokers:
    """Owner of the links."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        spool: Spool,
        clock: Clock,
        facts: Callable[[], dict[str, Any]],
        *,
        receive: Receive,
    ) -> None:
        self._receive = receive
        self._tasks = tasks
        self._spool = spool
        self._clock = clock
        self._facts = facts
        self._subscriptions = Subscriptions(spool.folder)
        self._links: dict[str, Link] = {}
        self._topic = ""

    def apply(self, bundle: Bundle) -> None:
        """Listen to what the bundle says.

        A broker that it no longer names stays linked: stored answers may be bound for it.
        """
        self._topic = presence_topic(bundle.namespace, bundle.site)
        graphs: dict[str, list[Graph]] = {url: [] for url in self._links}
        for graph in bundle.graphs:
            graphs.setdefault(graph.broker.url, []).append(graph)
        for url, listeners in graphs.items():
            if url in self._links:
                session = self._links[url].session
                session.listen_to(_filters(listeners))
                if listeners:
                    session.greet_with(_hello(bundle, url, listeners, self._topic))
            else:
                self._links[url] = self._link(_hello(bundle, url, listeners, self._topic), _filters(listeners))

    @property
    def listening(self) -> bool:
        """Whether any broker can be heard, so that silence means something."""
        return any(link.session.connected for link in self._links.values())

    def wake(self) -> None:
        """There are new answers."""
        for link in self._links.values():
            link.publisher.wake()

    def status(self) -> list[BrokerStatus]:
        """Return how each broker is doing."""
        return [
            BrokerStatus(
                url=url,
                connected=link.session.connected,
                protocol=link.session.dialect.name,
                connects=link.session.connects,
                sessions_lost=link.session.sessions_lost,
                dropped=link.session.drops.total,
                reason=link.session.reason,
                failure=link.session.failure,
                failures=dict(link.session.failures),
                sent=link.publisher.sent,
                handed_over=self._spool.writer.committed,
            )
            for url, link in self._links.items()
        ]

    async def leave(self) -> None:
        """Say goodbye everywhere, and stop listening."""
        for link in self._links.values():
            with contextlib.suppress(PublishFailed):
                await link.session.publish(
                    Publication(self._topic, presence("stopped", self._facts_at(link.session)), qos=1, retain=True)
                )
        tasks = [task for link in self._links.values() for task in link.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _facts_at(self, session: Session) -> dict[str, Any]:
        return {
            **self._facts(),
            "at": rfc3339(self._clock()),
            "sessionsLost": session.sessions_lost,
            "dropped": session.drops.total,
        }

    def _link(self, hello: Hello, filters: frozenset[str]) -> Link:
        session = Session(hello, self._subscriptions, self._spool.handoff, self._clock, receive=self._receive)
        session.listen_to(filters)
        facts = partial(self._facts_at, session)
        publisher = Publisher(session, self._spool.ledger, self._spool.desk)
        started = [
            self._tasks.create_task(session.run(), name=f"mqtt:{hello.broker}"),
            self._tasks.create_task(publisher.run(), name=f"publish:{hello.broker}"),
            self._tasks.create_task(keep_present(session, self._topic, facts), name=f"present:{hello.broker}"),
        ]
        return Link(session, publisher, started)


def _hello(bundle: Bundle, url: str, graphs: list[Graph], topic: str) -> Hello:
    way = graphs[0].broker  # the same for all of them; see config/rules.py
    return Hello(
        address=parse_address(url),
        broker=url,
        files=CredentialFiles(way.ca_file, way.credentials),
        client_id=_client_id(bundle, url),
        session_expiry_seconds=max(graph.broker.session_expiry_seconds for graph in graphs),
        will_topic=topic,
        will_payload=presence("lost", {}),
    )


def _client_id(bundle: Bundle, url: str) -> str:
    """Name the session. The broker's url is in it: two names of one broker must not throw each other out."""
    mark = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"edgeglm-{bundle.namespace}-{bundle.site_uid}-{mark}"


def _filters(graphs: list[Graph]) -> frozenset[str]:
    sources = [each for graph in graphs for source in graph.sources for each in topic_of(source).filters]
    return non_overlapping([*sources, *(graph.commands.topic for graph in graphs if graph.commands)])

"""A request: one window's question, stored once and never recomputed.

It holds all that is needed to ask it, to check the answer and to send it, whatever happens to the configuration
meanwhile.
"""

import msgspec

from edgeglm_agent.graph.model import EntityGraph
from edgeglm_api.bundle import Reasoning
from edgeglm_api.sensor_graph import Findings, Output, Question, ToCloud


class Disclosure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a question may leave the site, by the rules that it was made under."""

    cloud: ToCloud
    words: tuple[str, ...] = ()
    """Labels that carry no name, and words of states and events that the rules list: any other may be whatever a
    device says.
    """


class Request(msgspec.Struct, frozen=True):
    """What to ask about one window of one partition."""

    id: str
    site: str
    graph: str
    graph_uid: str
    partition: str
    start_ns: int
    end_ns: int
    expires_ns: int
    """After it nobody is asked any more."""
    signature: str
    """What is wrong, without numbers."""
    subject: EntityGraph
    question: Question
    reasoning: Reasoning
    output: Output
    broker: str
    findings: Findings = Findings()
    revision: int = 0
    """How often the window was made anew."""
    supersedes: str = ""
    """The id of the revision before, when anybody was asked about the window by then."""
    disclosure: Disclosure | None = None
    """None for what was stored before there was a data policy."""
    belated: bool = False
    """Whether windows after it were made before: it comes out of its turn, and says nothing about now."""


def encode_request(request: Request) -> bytes:
    """Return the stored form."""
    return msgspec.json.encode(request)


def decode_request(body: bytes) -> Request:
    """Read the stored form."""
    return msgspec.json.decode(body, type=Request)

r"""What a question costs an engine, beside compact JSON of the same statistics; by the engine's own counters.

    .venv/bin/python -m tests.engine serve --model smollm2      # or any vLLM that nobody else asks meanwhile
    make bench-prompt ENDPOINT=http://127.0.0.1:8000/v1

The windows of the four scenes of examples/ are asked in the order of time, three ways: the agent's prompt; the same
system prompt and instructions with the graph as compact JSON; and that JSON with moments in seconds from the start of
the window, as the agent's prompt has them, instead of dates. All have the same statistics, numbers in four digits.
Counted are prompt tokens that the engine computed, which are all but those that its prefix cache had, and its hits
against the most that whole blocks allow. One token is generated for each, as only the prompt counts here. The last line
is one line of JSON with every figure.
"""

import argparse
import json
import re
import secrets
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any, Final

from bench.evaluation.cases import requests_of
from bench.evaluation.scenes import scenes
from edgeglm_agent.graph.encode import Clock, Detail
from edgeglm_agent.graph.evidence import Evidence
from edgeglm_agent.graph.model import Edge, Measured, Node, Occurred, Stated
from edgeglm_agent.graph.sentence import number, second
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.reason.prompt import Messages, question
from edgeglm_agent.reason.request import Request
from edgeglm_agent.untrusted import spelled

FIRST_SEED: Final = 1000
TIMEOUT_SECONDS: Final = 300
MUCH: Final = 5e-4
"""Half a unit of the fourth digit."""

Moment = Callable[[int], str]
Ask = Callable[[Request], Messages]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way of asking came to."""

    answers: int
    prompt_tokens: int
    computed_tokens: int
    """Of these, what the prefix cache did not have."""
    hits: int
    hits_possible: int
    """Whole blocks of what a prompt has in common with one before it."""

    @property
    def computed_each(self) -> float:
        """Computed prompt tokens of one answer."""
        return self.computed_tokens / self.answers


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    engine = Engine(options.endpoint, options.model)
    asked = [each for seed in _seeds(options.seeds) for scene in scenes(seed) for each in requests_of(scene)]
    costs = {name: cost_of(engine, list(map(way, asked))) for name, way in WAYS.items()}
    ours = costs["the agent's prompt"]
    print("| | answers | prompt tokens | computed, each answer | of compact JSON | cache hits of the possible |")
    print("|---|---|---|---|---|---|")
    for name, cost in costs.items():
        share = cost.computed_each / costs["compact JSON"].computed_each
        hits = cost.hits / max(cost.hits_possible, 1)
        print(
            f"| {name} | {cost.answers} | {cost.prompt_tokens} | {cost.computed_each:.0f} | {share:.2f} | {hits:.3f} |"
        )
    worst, numbers = worst_error(asked)
    print(f"numbers read back from the prompt: {numbers}, the worst off by {worst:.1e} of its value")
    figures = {name: asdict(cost) for name, cost in costs.items()}
    summary = {
        "model": engine.model,
        "block_size": engine.block_size,
        "computed_of_json": round(ours.computed_each / costs["compact JSON"].computed_each, 4),
        "hits_of_possible": round(ours.hits / max(ours.hits_possible, 1), 4),
        "numbers": numbers,
        "worst_error": worst,
    }
    print(json.dumps(summary | {"costs": figures}))
    return 0


def as_json(request: Request, moment: Moment) -> str:
    """Return the graph of a request as compact JSON, with the same statistics as the agent's prompt."""
    graph = request.subject
    marked = {(item.node, item.property) for item in graph.evidence}
    document = {
        "partition": request.partition,
        "window": {"start": rfc3339(request.start_ns), "end": rfc3339(request.end_ns)},
        "nodes": [_node(node, marked, moment) for node in graph.nodes],
        "edges": [_edge(edge, moment) for edge in graph.edges],
        "evidence": [_evidence(item, moment) for item in graph.evidence],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def hits_possible(prompts: Iterable[Sequence[int]], block_size: int) -> int:
    """Return how many tokens of some prompts, asked in this order, a prefix cache of whole blocks can have at most.

    One token of each has to be computed, for the first of the answer to follow from.
    """
    seen: set[tuple[int, ...]] = set()
    hits = 0
    for prompt in prompts:
        whole = [tuple(prompt[:end]) for end in range(block_size, len(prompt) + 1, block_size)]
        known = sum(1 for _ in takewhile(seen.__contains__, whole))
        hits += min(known * block_size, (len(prompt) - 1) // block_size * block_size)
        seen.update(whole)
    return hits


def worst_error(asked: Iterable[Request]) -> tuple[float, int]:
    """Return how far the worst number in the prompts is from the statistic that it tells, relatively; and how many."""
    errors = [error for request in asked for error in _errors(request)]
    return max(errors), len(errors)


def cost_of(engine: "Engine", prompts: Sequence[Messages]) -> Cost:
    """Ask all of them, one after the other, in a part of the cache of their own."""
    salt = secrets.token_hex(16)
    tokens = [engine.tokens(messages) for messages in prompts]
    prompted, hits = engine.counters()
    for messages in prompts:
        engine.ask(messages, salt)
    prompted_after, hits_after = engine.counters()
    return Cost(
        answers=len(prompts),
        prompt_tokens=prompted_after - prompted,
        computed_tokens=prompted_after - prompted - (hits_after - hits),
        hits=hits_after - hits,
        hits_possible=hits_possible(tokens, engine.block_size),
    )


class Engine:
    """A vLLM whose counters can be read."""

    def __init__(self, endpoint: str, model: str) -> None:
        self._base = endpoint.rstrip("/").removesuffix("/v1")
        self.model = model or str(self._call("/v1/models")["data"][0]["id"])
        (block_size,) = re.findall(r'vllm:cache_config_info\{[^}]*\bblock_size="(\d+)"', self._text("/metrics"))
        self.block_size = int(block_size)

    def ask(self, messages: Messages, salt: str) -> None:
        """Ask, for one token."""
        self._call("/v1/chat/completions", {**self._body(messages), "max_tokens": 1, "cache_salt": salt})

    def tokens(self, messages: Messages) -> list[int]:
        """Return the tokens of a prompt."""
        return list(self._call("/tokenize", self._body(messages))["tokens"])

    def counters(self) -> tuple[int, int]:
        """Return the prompt tokens by now, and those of them that the prefix cache had."""
        metrics = self._text("/metrics")
        return _total(metrics, "vllm:prompt_tokens_total"), _total(metrics, "vllm:prefix_cache_hits_total")

    def _body(self, messages: Messages) -> dict[str, Any]:
        return {"model": self.model, "messages": messages, "chat_template_kwargs": {"enable_thinking": False}}

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self._text(path, body))

    def _text(self, path: str, body: dict[str, Any] | None = None) -> str:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the user's own URL
            f"{self._base}{path}", content, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the same
            return str(response.read().decode())


def _total(metrics: str, name: str) -> int:
    return round(sum(float(value) for value in re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", metrics, re.MULTILINE)))


def _ours(request: Request) -> Messages:
    return question(request, Detail.FULL)


def _with_json(request: Request, moment: Moment) -> Messages:
    system, user = question(request, Detail.FULL)
    instructions = [request.question.instructions] if request.question.instructions else []
    return [system, user | {"content": "\n\n".join([*instructions, as_json(request, moment)])}]


WAYS: Final[dict[str, Ask]] = {
    "the agent's prompt": _ours,
    "compact JSON": lambda request: _with_json(request, second),
    "compact JSON, moments in seconds": lambda request: _with_json(request, Clock(request.start_ns).tell),
}


def _node(node: Node, marked: set[tuple[str, str]], moment: Moment) -> dict[str, Any]:
    told = {
        "label": node.label,
        "measured": {
            each.property: _measured(each, marked=(node.id, each.property) in marked) for each in node.measured
        },
        "states": {state.property: _stated(state, moment) for state in node.states},
        "events": {event.property: _occurred(event, moment) for event in node.events},
    }
    return {"id": node.id, "type": node.type} | {name: value for name, value in told.items() if value}


def _measured(measured: Measured, *, marked: bool) -> dict[str, Any]:
    mean = {"mean": _figure(measured.mean), "unit": measured.unit}
    if not marked:
        return mean
    spread = {name: _figure(getattr(measured, name)) for name in ("min", "max", "last")}
    return mean | spread | {"slope": float(f"{measured.slope:.3g}")}


def _stated(state: Stated, moment: Moment) -> dict[str, Any]:
    if not state.changes:
        return {"word": state.word, "since": moment(state.since_ns)}
    changes = [{"word": change.word, "at": moment(change.at_ns)} for change in state.changes]
    return {"before": state.before, "changes": changes}


def _occurred(event: Occurred, moment: Moment) -> dict[str, Any]:
    return {"n": event.n, "last": [{"word": each.word, "at": moment(each.at_ns)} for each in event.last]}


def _edge(edge: Edge, moment: Moment) -> dict[str, Any]:
    times = {"since": edge.since_ns, "until": edge.until_ns}
    told = {name: moment(at_ns) for name, at_ns in times.items() if at_ns}
    return {"source": edge.source, "type": edge.type, "target": edge.target} | told


def _evidence(item: Evidence, moment: Moment) -> dict[str, Any]:
    told = {
        "limit": item.limit,
        "onset": moment(item.onset_ns) if item.onset_ns else "",
        "z": round(item.z, 1),
        "before": item.before,
        "after": item.after,
        "changes": item.changes,
    }
    numbers = {} if item.kind == "StateChange" else {"value": _figure(item.value), "bound": _figure(item.bound)}
    named = {"id": item.id, "kind": item.kind, "node": item.node, "property": item.property}
    return named | numbers | {name: value for name, value in told.items() if value}


def _figure(value: float) -> float | int:
    """Four digits, and no `.0` behind a whole number."""
    figure = float(number(value))
    return int(figure) if figure.is_integer() else figure


def _errors(request: Request) -> Iterator[float]:
    window = question(request, Detail.FULL)[1]["content"].partition("\nWindow of ")[2]
    lines = dict(line.partition(": ")[::2] for line in window.split("\n"))
    for node in request.subject.nodes:
        for measured in node.measured:
            (told,) = re.findall(rf"(?:^|; ){measured.property} (\S+?)(?=;| |$)", lines[spelled(node.id)])
            yield abs(float(told) - measured.mean) / max(abs(measured.mean), 1e-12)


def _seeds(number_of: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + number_of)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, metavar="URL", help="of a vLLM, with its version")
    parser.add_argument("--model", default="", help="its name there; default: the first that the endpoint lists")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="some thirty windows each; default: 2")
    return parser


if __name__ == "__main__":
    sys.exit(main())

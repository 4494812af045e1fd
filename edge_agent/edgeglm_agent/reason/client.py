"""Talks to an OpenAI-compatible engine. One method, one request, no retries: the router decides about those.

Never sends `seed`: on a CPU build of vLLM a seeded request whose prefill is chunked kills the engine.
"""

import asyncio
import re
from typing import Any, Final

import aiohttp
import msgspec

from edgeglm_agent.reason.credentials import access_to
from edgeglm_agent.reason.errors import Because, Busy, Declined, EngineError, Failed, NotReached, TimedOut, Unreachable
from edgeglm_api.bundle import Endpoint

MAX_REPLY_BYTES: Final = 1024 * 1024
_CONNECT_SECONDS: Final = 3.0
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_LENGTH_WORDS: Final = ("context length", "maximum context", "max_model_len", "max_tokens", "too long", "longer than")
_FORM_WORDS: Final = (
    *("schema", "grammar", "response_format", "structured", "guided", "json_object", "xgrammar", "outlines"),
    *("chat_template_kwargs", "priority", "unrecognized", "unsupported", "unexpected", "extra", "not permitted"),
)
"""Engines have no code for it, only words; one that is not known here costs the answer, as any other 4xx does."""


class Reply(msgspec.Struct, frozen=True):
    """What the engine said, and what it cost."""

    text: str
    cut_off: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Client:
    """Owner of the HTTP connections to engines."""

    def __init__(self) -> None:
        self._http = aiohttp.ClientSession(
            # Each endpoint's width is the bound. That of the pool, 100, made requests wait where it counted as latency.
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            trust_env=False,
        )

    async def complete(self, endpoint: Endpoint, body: dict[str, Any], timeout_seconds: float) -> Reply:
        """Ask once; raises an EngineError."""
        url = f"{endpoint.url.rstrip('/')}/chat/completions"
        try:
            async with asyncio.timeout(timeout_seconds):
                access = await access_to(endpoint)
                # Where an endpoint points on to, nobody has allowed the data to go.
                asked = self._http.post(
                    url,
                    json=body | {"model": endpoint.model},
                    headers=access.headers,
                    ssl=access.tls,
                    allow_redirects=False,
                )
                async with asked as response:
                    raw = await response.content.read(MAX_REPLY_BYTES + 1)
                    while len(raw) <= MAX_REPLY_BYTES and (more := await response.content.read(MAX_REPLY_BYTES)):
                        raw += more
                    status = response.status
                    retry_after = response.headers.get("Retry-After")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotReached(f"{endpoint.name}: {str(error) or 'no connection in time'}") from error
        except TimeoutError as error:
            raise TimedOut(f"{endpoint.name}: no answer within {timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{endpoint.name}: {error}") from error
        return _reply(endpoint.name, status, raw, retry_after)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.close()


def _reply(name: str, status: int, raw: bytes, retry_after: str | None) -> Reply:
    if status != 200:
        raise _refusal(name, status, raw, retry_after)
    if len(raw) > MAX_REPLY_BYTES:
        raise Failed(f"{name}: its answer is larger than {MAX_REPLY_BYTES} bytes")
    try:
        completion = msgspec.json.decode(raw, type=_Completion)
    except msgspec.MsgspecError as error:
        raise Failed(f"{name}: its answer is no completion: {error}") from error
    if not completion.choices:
        raise Failed(f"{name}: its answer has no choice")
    choice = completion.choices[0]
    usage = completion.usage or _Usage()
    return Reply(
        text=_text(choice.message),
        cut_off=choice.finish_reason == "length",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
    )


def _text(message: "_Message") -> str:
    """With a reasoning parser and a model that does not think, all of the text can stand in the other field."""
    return message.content or message.reasoning or message.reasoning_content or ""


def _refusal(name: str, status: int, raw: bytes, retry_after: str | None) -> EngineError:
    said = raw[:300].decode("utf-8", "replace")
    if status in {429, 503} or (status == 500 and "after shutdown" in said):
        return Busy(f"{name}: {status} {said}", _seconds(retry_after))
    if status >= 500 or status < 400:
        return Failed(f"{name}: {status} {said}")
    return Declined(f"{name}: {status} {said}", _because(status, said.lower()))


def _seconds(retry_after: str | None) -> float | None:
    """Read whole seconds; a date is passed over, since the site's clock may be wrong."""
    text = (retry_after or "").strip()
    return float(text) if _SECONDS.fullmatch(text) else None


def _because(status: int, said: str) -> Because:
    if status in {400, 413} and any(word in said for word in _LENGTH_WORDS):
        return Because.TOO_LONG
    if status in {400, 422} and any(word in said for word in _FORM_WORDS):
        return Because.FORM
    return Because.OTHER


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None

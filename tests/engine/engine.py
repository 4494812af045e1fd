"""A running vLLM on the CPU, on a free loopback port."""

import http.client
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.ports import LOOPBACK, free_ports
from tests.cluster.process import ProcessTable
from tests.engine.place import environment, models

# 20-30 s on two idle cores; 80-200 s were measured when other builds and tests ran beside it.
HEALTHY_SECONDS = 600
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": LOOPBACK,
    # `nobind` was five to ten times slower on two cores.
    "VLLM_CPU_OMP_THREADS_BIND": "auto",
}


def serving_flags(model: str) -> list[str]:
    """What a model of this size needs on a CPU, after `vllm serve PATH`."""
    return [
        f"--served-model-name={model}",
        "--dtype=bfloat16",
        "--max-model-len=2048",
        "--enforce-eager",
        # Not VLLM_CPU_KVCACHE_SPACE: whole GiB only, and it would override this.
        "--kv-cache-memory-bytes=128M",
        "--scheduling-policy=priority",
        # Without it a random model rambles in white space until max_tokens, and the JSON is cut.
        '--structured-outputs-config={"backend":"xgrammar","disable_any_whitespace":true}',
    ]


@dataclass
class Engine:
    """One server process; it keeps its port when it is restarted."""

    model: str
    directory: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    more: tuple[str, ...] = ()
    """Further flags."""

    def __post_init__(self) -> None:
        self.processes = ProcessTable(self.directory)

    @property
    def url(self) -> str:
        """The base URL, without /v1."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it is healthy."""
        program = environment() / "bin" / "vllm"
        where = [f"--host={LOOPBACK}", f"--port={self.port}"]
        argv: list[str | Path] = [
            program,
            "serve",
            models() / self.model,
            *where,
            *serving_flags(self.model),
            *self.more,
        ]
        self.processes.start("vllm", argv, env=ENVIRONMENT, ready=self.healthy, bound_seconds=HEALTHY_SECONDS)

    def stop(self) -> None:
        """End it in order."""
        self.processes.stop("vllm", grace_seconds=30)

    def kill(self) -> None:
        """End it and its workers at once, as the kernel does when memory is short."""
        self.processes.kill_group("vllm")

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def healthy(self) -> bool:
        """Tell whether it says that it serves."""
        try:
            return self._call("GET", "/health", None)[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def chat(self, question: str, **fields: Any) -> Any:
        """Ask one question; return the answer's content."""
        body = {"model": self.model, "messages": [{"role": "user", "content": question}], **fields}
        status, text = self._call("POST", "/v1/chat/completions", body)
        if status != http.HTTPStatus.OK:
            raise RuntimeError(f"{status}: {text}")
        return json.loads(text)["choices"][0]["message"]["content"]

    def _call(self, method: str, path: str, body: Any) -> tuple[int, str]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=120)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

"""`python -m tests.engine`: a real vLLM on the CPU, and its two small models."""

import argparse
import sys
from pathlib import Path

from tests.cluster.cache import cache_root
from tests.engine.engine import Engine
from tests.engine.lock import lock
from tests.engine.models import NAMES, install_models
from tests.engine.place import MODEL_TOOLS, NVIDIA, VLLM, models, wheels
from tests.engine.setup import setup


def main() -> int:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    match arguments.command:
        case "setup":
            setup()
        case "models":
            print("\n".join(str(models() / name) for name in NAMES))
        case "install-models":
            install_models(arguments.directory)
        case "serve":
            engine = _engine(arguments.model, arguments.port)
            engine.start()
            print(engine.url)
        case "stop":
            _engine(arguments.model, 0).stop()
        case "lock":
            for requirements in (NVIDIA, VLLM, MODEL_TOOLS):
                lock(requirements, wheels())
    return 0


def _engine(model: str, port: int) -> Engine:
    return Engine(model, cache_root() / "served" / model, port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="make the environment and the models, once")
    commands.add_parser("models", help="print where the models are")
    install = commands.add_parser("install-models", help="put the models where pods of a node mount them")
    install.add_argument("directory", type=Path)
    serve = commands.add_parser("serve", help="serve a model on loopback in the background; prints the URL")
    serve.add_argument("--port", type=int, default=8000)
    for command in (serve, commands.add_parser("stop", help="end what serve started")):
        command.add_argument("--model", choices=NAMES, default="tiny-glm4")
    commands.add_parser("lock", help="for maintainers: write the wheels' hashes into the requirements files")
    return parser


if __name__ == "__main__":
    sys.exit(main())

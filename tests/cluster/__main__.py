"""`python -m tests.cluster`: bring a real cluster up, look at it, take it down."""

import argparse
import sys
from pathlib import Path

from images.make import archives
from tests.cluster.binaries import FOR_TESTS, PROGRAMS, ensure
from tests.cluster.cluster import NODE_IMAGES, Cluster
from tests.cluster.image_store import ImageStore
from tests.cluster.instance import claim_instance, find_instance


def main() -> int:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    if arguments.command == "build":
        modules = [module for module in PROGRAMS if module not in FOR_TESTS or arguments.for_tests]
        ensure([program.name for module in modules for program in PROGRAMS[module]])
        return 0
    if arguments.command == "stock":
        ImageStore(arguments.images).fill(archives(arguments.images))
        return 0
    if arguments.command == "up":
        cluster = Cluster(claim_instance(arguments.name, arguments.state))
        if arguments.nodes:
            cluster.up_with_nodes([*NODE_IMAGES, *arguments.images])
        else:
            cluster.up()
        print(cluster.kubeconfig)
        return 0
    instance = find_instance(arguments.name, arguments.state)
    if instance is None:
        print(f"no cluster named {arguments.name} is up")
        return 0 if arguments.command == "down" else 1
    for line in _on_existing(Cluster(instance), arguments.command):
        print(line)
    return 0


def _on_existing(cluster: Cluster, command: str) -> list[str]:
    match command:
        case "down":
            cluster.down()
        case "status":
            return cluster.status()
        case "kubeconfig":
            return [str(cluster.kubeconfig)]
        case "cut-link":
            cluster.cut_link()
        case "restore-link":
            cluster.restore_link()
    return []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--name", default="dev", help="instance name: a to z and digits, at most 8 (default: dev)")
    parser.add_argument("--state", type=Path, help="directory for the cluster's files (default: in the cache)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser(
        "up", help="start the control plane, and with --nodes two real nodes; prints the kubeconfig"
    )
    up.add_argument("--nodes", action="store_true", help="also start cloud-1 and edge-1 (needs root)")
    up.add_argument("--images", nargs="*", default=(), help="more images for the nodes: operator, agent, engine")
    commands.add_parser("down", help="end everything that up started, and leave nothing behind")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    commands.add_parser("cut-link", help="cut the link between the cloud and the site edge-1")
    commands.add_parser("restore-link", help="join them again")
    build = commands.add_parser("build", help="build the programs now")
    build.add_argument("--for-tests", action="store_true", help="also what only tests need: KWOK, KEDA")
    stock = commands.add_parser("stock", help="make images, and import them for nodes that are to have just these")
    stock.add_argument("images", nargs="+", help="pause, base, operator, agent, engine")
    return parser


if __name__ == "__main__":
    sys.exit(main())

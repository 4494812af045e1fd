"""What the command line says of bundles: where they come from, whose are taken, whom they may ask.

Raises BadSetup when it cannot be so.
"""

import argparse
import importlib
from pathlib import Path
from typing import Final

from edgeglm_agent.config.directory import DirectorySource
from edgeglm_agent.config.https import Https, check_url
from edgeglm_agent.config.https_source import HttpsSource
from edgeglm_agent.config.pins import Pins, read_pins
from edgeglm_agent.config.problem import BadSetup
from edgeglm_agent.config.source import Source
from edgeglm_agent.config.trust import Trust, load_trust

_POLL_SECONDS: Final = range(5, 86_401)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add what `source_from` reads."""
    parser.add_argument(
        "--bundle",
        required=True,
        metavar="DIR|URL",
        help="where bundle.json and sha256 lie, or https://… of a packed bundle",
    )
    parser.add_argument("--bundle-ca", type=Path, metavar="FILE", help="whom to trust for URL; default: the machine's")
    parser.add_argument(
        "--bundle-poll-seconds", type=_poll_seconds, default=60, metavar="N", help="for URL; default: %(default)s"
    )
    parser.add_argument("--tuf-target", metavar="NAME", help="URL is a TUF repository, this the target in it")
    parser.add_argument("--tuf-root", type=Path, metavar="FILE", help="a root.json of it that is trusted")


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add what `trust_from` reads."""
    parser.add_argument(
        "--trusted-keys",
        type=Path,
        metavar="FILE",
        help="ed25519 public keys in PEM; a bundle that none of them signed is refused",
    )


def add_pin_options(parser: argparse.ArgumentParser) -> None:
    """Add what `pins_from` reads."""
    parser.add_argument(
        "--endpoint-host",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="pin: a graph that asks an endpoint at any other host is refused; may be repeated",
    )
    parser.add_argument("--endpoint-hosts", type=Path, metavar="FILE", help="the same from a file, one a line")


def source_from(options: argparse.Namespace) -> Source:
    """Return where bundles come from."""
    if bool(options.tuf_target) != bool(options.tuf_root):
        raise BadSetup("--tuf-target and --tuf-root go together: the first root is trusted since somebody brought it")
    if "://" not in options.bundle and not options.tuf_target:
        return DirectorySource(Path(options.bundle))
    url, https = check_url(options.bundle), Https(options.bundle_ca)
    if options.tuf_target:
        return _tuf_source(url, https, options)
    return HttpsSource(url, https, poll_seconds=options.bundle_poll_seconds)


def _tuf_source(url: str, https: Https, options: argparse.Namespace) -> Source:
    try:
        # An extra: most sites have another way, and are spared its libraries.
        tuf_source = importlib.import_module("edgeglm_agent.config.tuf_source")
        root = options.tuf_root.read_bytes()
    except ImportError as error:
        raise BadSetup(f"--tuf-target needs python-tuf; install edgeglm[agent,tuf]: {error}") from error
    except OSError as error:
        raise BadSetup(f"{options.tuf_root}: {error.strerror}") from error
    source: Source = tuf_source.TufSource(
        url, options.tuf_target, root, https, options.data, poll_seconds=options.bundle_poll_seconds
    )
    return source


def trust_from(options: argparse.Namespace) -> Trust:
    """Return whose bundles are taken."""
    return load_trust(options.trusted_keys) if options.trusted_keys else Trust()


def pins_from(options: argparse.Namespace) -> Pins:
    """Return where endpoints may be."""
    return read_pins(options.endpoint_host, options.endpoint_hosts)


def _poll_seconds(text: str) -> int:
    if not text.isdecimal() or int(text) not in _POLL_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not within 5 and 86400")
    return int(text)

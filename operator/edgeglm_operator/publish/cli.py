"""`edgeglm bundle`: make, sign and pack the bundle of a site that no operator reaches."""

import argparse
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeglm_api.bundle import Bundle, decode
from edgeglm_api.edge_site import BundleStatus
from edgeglm_api.key_pem import key_id
from edgeglm_api.packed import Files, pack
from edgeglm_operator.offline.bad_input import BadInput
from edgeglm_operator.offline.render import Wishes
from edgeglm_operator.publish.folder import read_folder, write_bundle, write_signatures
from edgeglm_operator.publish.sign import make_key_pair, read_key, sign
from edgeglm_operator.publish.site_bundle import site_bundle
from edgeglm_operator.reconcile.compile import renumbered


def add_bundle_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", wishes_of: Callable[[argparse.Namespace], Wishes]
) -> None:
    """Add the command; `wishes_of` reads the files that were given with -f and --nodes."""
    bundles = commands.add_parser("bundle", help="make, sign and pack the bundle of a site that no operator reaches")
    verbs = bundles.add_subparsers(required=True, metavar="VERB")
    makes = verbs.add_parser("make", help="compile a site's bundle from custom resources into a folder")
    makes.add_argument("-f", "--file", metavar="FILE", nargs="+", action="extend", required=True, help="YAML")
    makes.add_argument("--nodes", metavar="FILE", help="the nodes, from `kubectl get nodes -o yaml`")
    makes.add_argument("--site", metavar="[NAMESPACE/]NAME", required=True, help="the EdgeSite")
    makes.add_argument(
        "--generation", type=int, metavar="N", help="default: one more than in the folder, if the content differs"
    )
    makes.set_defaults(run=lambda options: _make(options, wishes_of(options)))
    signs = verbs.add_parser("sign", help="sign the bundle in a folder")
    signs.add_argument(
        "--key", metavar="FILE", type=Path, action="append", required=True, help="ed25519 private key; may be repeated"
    )
    signs.set_defaults(run=_sign)
    packs = verbs.add_parser("pack", help="write the bundle of a folder as the one file that an HTTPS server offers")
    packs.set_defaults(run=_pack)
    for verb in (makes, signs, packs):
        verb.add_argument("folder", metavar="DIR", type=Path, help="with bundle.json, sha256 and ed25519")
    packs.add_argument("to", metavar="FILE", type=Path, help="such as edge-1.bundle")
    keygens = verbs.add_parser("keygen", help="make an ed25519 key pair: FILE and FILE.pub")
    keygens.add_argument("to", metavar="FILE", type=Path, help="must not be there yet")
    keygens.set_defaults(run=_keygen)


def _make(options: argparse.Namespace, wishes: Wishes) -> int:
    bundle = _numbered(site_bundle(wishes, options.site), options)
    write_bundle(options.folder, bundle)
    print(f"{options.folder}: generation {bundle.generation}, {len(bundle.graphs)} graphs; not signed")
    return 0


def _numbered(bundle: Bundle, options: argparse.Namespace) -> Bundle:
    if options.generation is not None:
        return msgspec.structs.replace(bundle, generation=options.generation)
    before = read_folder(options.folder)
    return renumbered(bundle, _known(before) if before else None)


def _known(files: Files) -> BundleStatus:
    return BundleStatus(generation=decode(files.raw).generation, sha256=files.digest)


def _sign(options: argparse.Namespace) -> int:
    keys = [read_key(path) for path in options.key]
    write_signatures(options.folder, sign(_there(options.folder).raw, keys))
    print(f"{options.folder}: signed by {', '.join(key_id(key.verify_key.encode()) for key in keys)}")
    return 0


def _pack(options: argparse.Namespace) -> int:
    packed = pack(_there(options.folder))
    draft = options.to.with_name(f".{options.to.name}.new")
    draft.write_bytes(packed)
    draft.replace(options.to)
    print(f"{options.to}: {len(packed)} bytes")
    return 0


def _keygen(options: argparse.Namespace) -> int:
    print(f"{options.to}: key {make_key_pair(options.to)}; give sites {options.to}.pub, and keep the other")
    return 0


def _there(folder: Path) -> Files:
    files = read_folder(folder)
    if files is None:
        raise BadInput(f"{folder}: holds no bundle; make one with `edgeglm bundle make`")
    return files

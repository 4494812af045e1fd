"""Signed bundles: with trusted keys, only what one of them signed is read at all; the last good bundle included."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from edgeglm_agent.config.directory import DirectorySource
from edgeglm_agent.config.last_good import LastGood
from edgeglm_agent.config.problem import BadSetup, BundleRejected, Verdict
from edgeglm_agent.config.trust import load_trust
from edgeglm_agent.config.verify import Received, verify
from edgeglm_agent.main import main
from edgeglm_api.bundle import Bundle, digest, encode
from edgeglm_api.key_pem import key_id, private_pem, public_pem
from tests.edge.bundles import a_bundle, write_bundle
from tests.unit.agent.watched import Watched, trusting

OURS, SECOND, STRANGER = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))


def public(key: SigningKey) -> bytes:
    return key.verify_key.encode()


TRUST = trusting([OURS, SECOND])


def signature(raw: bytes, *keys: SigningKey) -> str:
    return "".join(base64.b64encode(key.sign(raw).signature).decode() + "\n" for key in keys)


def signed(bundle: Bundle, *keys: SigningKey) -> Received:
    return Received(encode(bundle), digest(bundle), signature(encode(bundle), *keys))


def write_signed(folder: Path, bundle: Bundle, *keys: SigningKey) -> None:
    write_bundle(folder, bundle)
    (folder / "ed25519").write_text(signature(encode(bundle), *keys))


@pytest.mark.parametrize(("keys", "signer"), [((OURS,), OURS), ((SECOND,), SECOND), ((STRANGER, SECOND), SECOND)])
def test_one_signature_by_one_trusted_key_is_enough(keys: tuple[SigningKey, ...], signer: SigningKey) -> None:
    assert verify(signed(a_bundle(), *keys), TRUST).signer == key_id(public(signer))


GOOD = signed(a_bundle(), OURS)


@pytest.mark.parametrize(
    ("signatures", "verdict", "says"),
    [
        ("", Verdict.UNSIGNED, f"sign for one of the keys {key_id(public(OURS))}, {key_id(public(SECOND))}"),
        (" \n ", Verdict.UNSIGNED, "is empty"),
        (signature(GOOD.raw, STRANGER), Verdict.WRONG_SIGNATURE, "not over this content by any of the keys"),
        (signature(encode(a_bundle(generation=2)), OURS), Verdict.WRONG_SIGNATURE, "not over this content"),
        (signature(GOOD.digest.encode(), OURS), Verdict.WRONG_SIGNATURE, "not over this content"),
        (GOOD.signatures[:-5], Verdict.WRONG_SIGNATURE, "not over this content"),
        ("\ufffd\ufffd", Verdict.WRONG_SIGNATURE, "not over this content"),
        (base64.b64encode(bytes(64)).decode(), Verdict.WRONG_SIGNATURE, "not over this content"),
        ("AA== " * 9, Verdict.WRONG_SIGNATURE, "has 9 signatures; at most 8 are read"),
    ],
)
def test_what_nobody_trusted_signed_is_refused(signatures: str, verdict: Verdict, says: str) -> None:
    with pytest.raises(BundleRejected) as rejected:
        verify(Received(GOOD.raw, GOOD.digest, signatures), TRUST)
    assert rejected.value.verdict is verdict
    assert says in str(rejected.value)


def test_bytes_of_a_stranger_do_not_reach_the_parser() -> None:
    raw = b"[" * 100_000
    with pytest.raises(BundleRejected) as rejected:
        verify(Received(raw, "", signature(raw, STRANGER)), TRUST)
    assert rejected.value.verdict is Verdict.WRONG_SIGNATURE


def test_without_keys_nobody_has_to_sign() -> None:
    assert verify(signed(a_bundle(), STRANGER)).signer == ""


async def test_an_unsigned_bundle_changes_nothing_and_a_signature_mends_it(tmp_path: Path) -> None:
    site = Watched(DirectorySource(tmp_path), tmp_path / "data", OURS, SECOND)
    write_signed(tmp_path, a_bundle(), OURS)
    await site.watch.look()
    (tmp_path / "ed25519").unlink()
    write_bundle(tmp_path, a_bundle(generation=2))
    for _ in range(3):
        await site.watch.look()
    assert site.told == ("Rejected", "Unsigned", 1)
    assert site.watch.state.signer == key_id(public(OURS)), "of what is applied"
    assert site.watch.rejections == {"Unsigned": 1}
    write_signed(tmp_path, a_bundle(generation=2), SECOND)
    await site.watch.look()
    assert site.told == ("Applied", "Applied", 2)
    assert site.watch.state.signer == key_id(public(SECOND))
    assert site.generations == [1, 2]


async def test_the_same_content_signed_anew_is_kept_with_the_new_signature(tmp_path: Path) -> None:
    """So that the old key can be taken away: what is kept must be trusted without it."""
    site = Watched(DirectorySource(tmp_path), tmp_path / "data", OURS, SECOND)
    for key in (OURS, SECOND):
        write_signed(tmp_path, a_bundle(), key)
        await site.watch.look()
    kept = LastGood(tmp_path / "data", trusting([SECOND])).load()
    assert kept is not None
    assert kept.signer == key_id(public(SECOND))


def test_a_last_good_bundle_is_taken_only_from_those_who_are_trusted_now(tmp_path: Path) -> None:
    trusts_us, trusts_a_stranger = LastGood(tmp_path, TRUST), LastGood(tmp_path, trusting([STRANGER]))
    trusts_us.save(verify(signed(a_bundle(), OURS), TRUST))
    assert trusts_us.load() is not None
    assert trusts_a_stranger.load() is None
    trusts_us.save(verify(signed(a_bundle())))
    assert trusts_us.load() is None, "unsigned, from before there were keys"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no PUBLIC KEY"),
        (public_pem(public(OURS)) + private_pem(bytes(32)), "has a PRIVATE KEY, where an ed25519 PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "of another kind than ed25519"),
        ("-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----", "that is not base64"),
        ("".join(public_pem(bytes([n]) * 32) for n in range(17)), "has 17 keys; at most 16 are taken"),
    ],
)
def test_an_agent_with_unusable_keys_does_not_start(
    content: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys.pem"
    keys.write_text(content)
    with pytest.raises(BadSetup, match=says):
        load_trust(keys)
    write_bundle(tmp_path, a_bundle())
    assert main(["check", "--bundle", str(tmp_path), "--trusted-keys", str(keys)]) == 2
    assert says in capsys.readouterr().err


def test_what_openssl_signs_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys may live in an HSM, or wherever else the pipeline has them: there is nothing of ours in the format."""
    key, pub, raw = (str(tmp_path / name) for name in ("key.pem", "pub.pem", "bundle.json"))
    write_bundle(tmp_path, a_bundle())
    openssl = _openssl(tmp_path)
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", pub)
    made = openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", raw)
    (tmp_path / "ed25519").write_bytes(base64.b64encode(made))
    assert main(["check", "--bundle", str(tmp_path), "--trusted-keys", pub]) == 0
    assert f"signed by {key_id(load_trust(Path(pub)).keys[0])}" in capsys.readouterr().out


def _openssl(folder: Path) -> Callable[..., bytes]:
    def run(*arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder).stdout

    return run

"""What an endpoint is asked with: read anew each time, and told in a word when it is not there."""

import ssl
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.reason.credentials import MAX_CA_BYTES, MAX_KEY_BYTES, access_to, lacking
from edgeglm_api.bundle import Endpoint
from tests.cluster.pki import make_authority


def an_endpoint(**files: str) -> Endpoint:
    plain = Endpoint(name="big", url="https://llm.example/v1", model="m", place="Cloud")
    return msgspec.structs.replace(plain, **files)


async def test_without_files_nothing_is_sent_and_the_systems_authorities_are_trusted() -> None:
    assert await access_to(an_endpoint()) == ({}, True)


async def test_equal_authorities_keep_their_connections_and_others_do_not(tmp_path: Path) -> None:
    """A connection belongs to the context that it was made in."""
    file = tmp_path / "ca.crt"
    endpoint = an_endpoint(ca_file=str(file))
    first, second = (make_authority(tmp_path / name).cert.read_bytes() for name in ("first", "second"))
    seen = []
    for content in (first, first, second):
        file.write_bytes(content)
        seen.append((await access_to(endpoint)).tls)
    assert isinstance(seen[0], ssl.SSLContext)
    assert seen[0] is seen[1] is not seen[2]
    assert [len(each.get_ca_certs()) for each in seen if isinstance(each, ssl.SSLContext)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("file", "content", "reason", "says"),
    [
        ("key_file", None, "SecretMissing", "No such file"),
        ("key_file", b"", "SecretInvalid", "holds no key"),
        ("key_file", b"two words", "SecretInvalid", "holds no key"),
        ("key_file", b"key\r\nX-Other: 1", "SecretInvalid", "holds no key"),
        ("key_file", b"\xff\xfe", "SecretInvalid", "holds no key"),
        ("key_file", b"k" * (MAX_KEY_BYTES + 1), "SecretInvalid", "more than"),
        ("ca_file", None, "SecretMissing", "No such file"),
        ("ca_file", b"", "SecretInvalid", "no certificate in PEM"),
        ("ca_file", b"-----BEGIN CERTIFICATE-----\nMII", "SecretInvalid", "cannot be read"),
        ("ca_file", b"-" * (MAX_CA_BYTES + 1), "SecretInvalid", "more than"),
    ],
)
async def test_what_cannot_be_used_has_a_word(
    tmp_path: Path, file: str, content: bytes | None, reason: str, says: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    lacks = await lacking(an_endpoint(**{file: str(path)}))
    assert lacks is not None
    assert lacks.reason == reason
    assert says in str(lacks)
    assert "two words" not in str(lacks), "a key is in no message"

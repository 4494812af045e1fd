"""What is read to open a connection, and that no secret gets into a text."""

from pathlib import Path

import pytest

from edgeglm_agent.mqtt.credentials import MAX_FILE_BYTES, CredentialFiles, mark_of, read_credentials
from edgeglm_agent.mqtt.failure import ConnectionFailed, Reason
from tests.cluster.pki import make_authority


def a_folder(folder: Path, files: dict[str, str]) -> CredentialFiles:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return CredentialFiles(folder=str(folder))


def test_user_and_password_are_read_without_the_last_line_end(tmp_path: Path) -> None:
    files = a_folder(tmp_path / "me", {"username": "agent\n", "password": "a b \n"})
    read = read_credentials(files, tls=False)
    assert (read.username, read.password, read.context) == ("agent", "a b ", None)


def test_no_secret_is_in_a_text(tmp_path: Path) -> None:
    files = a_folder(tmp_path / "me", {"username": "agent", "password": "hunter2"})
    assert "hunter2" not in f"{read_credentials(files, tls=False)!r} {files!r} {mark_of(files)}"


def test_all_but_the_password_asks_for_a_new_connection(tmp_path: Path) -> None:
    files = a_folder(tmp_path / "me", {"username": "agent", "password": "one"})
    first = mark_of(files)
    a_folder(tmp_path / "me", {"password": "other"})
    assert mark_of(files) == first, "it is asked for only once"
    a_folder(tmp_path / "me", {"username": "somebody"})
    assert mark_of(files) != first


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, Reason.SECRET_MISSING),
        ({"password": "x"}, Reason.SECRET_INVALID),
        ({"tls.crt": "x"}, Reason.SECRET_MISSING),
        ({"tls.crt": "x", "tls.key": "y"}, Reason.SECRET_INVALID),
        ({"username": "x" * (MAX_FILE_BYTES + 1)}, Reason.SECRET_INVALID),
    ],
)
def test_what_cannot_be_used_is_told_apart(tmp_path: Path, content: dict[str, str], reason: Reason) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        read_credentials(a_folder(tmp_path / "me", content), tls=True)
    assert failed.value.reason is reason
    assert str(tmp_path / "me") in str(failed.value)


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_authority_never_means_that_all_are_trusted(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.crt").write_text(content)
    with pytest.raises(ConnectionFailed) as failed:
        read_credentials(CredentialFiles(ca_file=str(tmp_path / "ca.crt")), tls=True)
    assert failed.value.reason is Reason.SECRET_INVALID


def test_names_are_checked_whatever_is_trusted(tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "pki")
    context = read_credentials(CredentialFiles(ca_file=str(authority.cert)), tls=True).context
    assert context is not None
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1

"""A store that speaks S3 on this machine: moto's server, in a process of its own, and the line to it, which may break.

moto checks signatures with AWS's own library once `only_who_is_known` is called.
"""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Self
from urllib.parse import quote

import urllib3

from tests.cluster.ports import free_ports
from tests.cluster.process import until
from tests.store.place import environment

BUCKET = "models"
PART_BYTES = 100_000
"""The smallest that it takes; S3 itself wants 5 MiB."""
PAGE = 10
"""Keys in a page of a listing; S3 has 1000."""


class Store:
    """One bucket, and one user who may read it."""

    def __init__(self, directory: Path) -> None:
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = (directory / "store.log").open("wb")
        self._http = urllib3.PoolManager(retries=False)
        self.key_id = self.secret = ""

    def __enter__(self) -> Self:
        server = environment() / "bin" / "moto_server"
        command: list[str | Path] = [server, "-H", "127.0.0.1", "-p", str(self.port)]
        bounds = {"S3_UPLOAD_PART_MIN_SIZE": str(PART_BYTES), "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=subprocess.STDOUT, env={**os.environ, **bounds}
        )
        assert until(self._answers, 120), "the store does not start"
        self.key_id, self.secret = self._a_user()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)
        self._log.close()

    def empty(self) -> None:
        """As at the beginning: everybody may ask, and the bucket has nothing."""
        self.everybody()
        while keys := re.findall(rb"<Key>(.*?)</Key>", self._send("GET", f"/{BUCKET}/?list-type=2")):
            for key in keys:
                self._send("DELETE", f"/{BUCKET}/{quote(key.decode())}")

    def put(self, key: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        """One object."""
        self._send("PUT", f"/{BUCKET}/{quote(key)}", content, headers)

    def put_in_parts(self, key: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        """One object as tools put large ones."""
        path = f"/{BUCKET}/{quote(key)}"
        begun = self._send("POST", f"{path}?uploads", headers=headers)
        upload = _within("UploadId", begun)
        parts = [content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES)]
        for number, part in enumerate(parts, 1):
            self._send("PUT", f"{path}?partNumber={number}&uploadId={upload}", part)
        listed = self._send("GET", f"{path}?uploadId={upload}")
        tags = re.findall(rb"<ETag>(.*?)</ETag>", listed)
        done = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag.decode()}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        whole = f"<CompleteMultipartUpload>{done}</CompleteMultipartUpload>"
        self._send("POST", f"{path}?uploadId={upload}", whole.encode())

    def everybody(self) -> None:
        """From now on nobody's signature is looked at."""
        self._post("/moto-api/reset-auth", "inf")

    def only_who_is_known(self) -> None:
        """From now on, who asks must sign, and with the right key."""
        self._post("/moto-api/reset-auth", "0")

    def _answers(self) -> bool:
        try:
            return bool(self._http.request("GET", f"{self.url}/moto-api/data.json").status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    def _a_user(self) -> tuple[str, str]:
        self._send("PUT", f"/{BUCKET}")
        may_read = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
        policy = quote(json.dumps({"Version": "2012-10-17", "Statement": [may_read]}))
        self._iam("CreateUser")
        self._iam(f"PutUserPolicy&PolicyName=read&PolicyDocument={policy}")
        made = self._iam("CreateAccessKey")
        return _within("AccessKeyId", made), _within("SecretAccessKey", made)

    def _iam(self, action: str) -> bytes:
        form = "application/x-www-form-urlencoded"
        body = f"Action={action}&UserName=reader&Version=2010-05-08".encode()
        return self._send("POST", "/", body, {"Authorization": _owner("iam"), "Content-Type": form})

    def _post(self, path: str, body: str) -> None:
        assert self._http.request("POST", self.url + path, body=body).status == 200

    def _send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        headers = {"Authorization": _owner("s3"), **(headers or {})}
        answer = self._http.request(method, self.url + path, body=body, headers=headers)
        assert answer.status < 300, answer.data
        return bytes(answer.data)


def _owner(service: str) -> str:
    """What a request is for stands in its signature, which nobody checks while everybody may ask."""
    return f"AWS4-HMAC-SHA256 Credential=x/20261128/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x"


def _within(tag: str, text: bytes) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>".encode(), text)
    assert found is not None, text
    return found[1].decode()

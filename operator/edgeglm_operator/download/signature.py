"""Who asks a store that speaks S3: signatures of the fourth version, made by AWS's own library.

docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html: the path is encoded once, and the body's digest
is a header. Only the host and `x-amz-` headers are signed: what lies in between may change the others.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSignedBodyValue,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest

_SIGN_SECONDS: Final = 30
"""It is reckoned in the same process; for a machine that is busy."""

Sign = Callable[[str, str, Mapping[str, str]], Mapping[str, str]]
"""From method, URL and headers to the headers with a signature."""


def signature(key_id: str, secret: str, session_token: str | None, region: str) -> Sign:
    """How to sign for one pair of keys."""
    owner = AwsCredentialsProvider.new_static(key_id, secret, session_token)

    def sign(method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        address = urlsplit(url)
        signed = {name: value for name, value in headers.items() if name.lower().startswith("x-amz-")}
        request = HttpRequest(
            method,
            address.path + (f"?{address.query}" if address.query else ""),
            HttpHeaders([("Host", address.netloc), *signed.items()]),
        )
        config = AwsSigningConfig(
            signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=owner,
            region=region,
            service="s3",
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=AwsSignedBodyValue.EMPTY_SHA256,
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        whole = aws_sign_request(request, config).result(_SIGN_SECONDS)
        return {**headers, **dict(whole.headers)}

    return sign

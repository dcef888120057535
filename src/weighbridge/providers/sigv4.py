"""AWS Signature Version 4: proof of a secret key, for one request, that does not tell it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AWS access key; `token` for a temporary one. Shown nowhere."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Credentials | None:
        """From AWS's own variables; None where they are not set."""
        key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        return cls(key_id, secret, environment.get("AWS_SESSION_TOKEN") or None) if key_id and secret else None


def sign(
    credentials: Credentials, *, host: str, target: str, body: bytes, region: str, service: str, now: datetime
) -> dict[str, str]:
    """The headers that sign a JSON POST: to be sent beside `Host: host` and `Content-Type: application/json`.

    `target` is the path, percent-encoded as it is sent, with its query.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {"content-type": "application/json", "host": host, "x-amz-date": stamp}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    path, _, query = target.partition("?")
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    # The path is encoded once more than it is sent, as for every service but S3.
    request = "\n".join(("POST", quote(path, safe=f"/{_UNRESERVED}"), _query(query), lines, names, _digest(body)))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = hmac.digest(key, "\n".join((_ALGORITHM, stamp, scope, _digest(request.encode()))).encode(), "sha256").hex()
    who = f"Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={proof}"
    said = {"X-Amz-Date": stamp, "Authorization": f"{_ALGORITHM} {who}"}
    return said | ({"X-Amz-Security-Token": credentials.token} if credentials.token else {})


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(
        sorted(f"{quote(name, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}" for name, value in pairs)
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

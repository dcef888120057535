"""What AWS Bedrock's errors mean where OpenAI's table says nothing of them, or something else. First match wins.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.providers.openai_errors import TABLE as OPENAI
from weighbridge.providers.openai_errors import Row

_LONG = re.compile(r"input is too long|too many input tokens|maximum (?:number of )?tokens.{0,40}exceed", re.IGNORECASE)

TABLE: Final[tuple[Row, ...]] = (
    Row("context_length", codes=("validationexception",), message=_LONG),
    Row("rate_limit", codes=("throttlingexception", "toomanyrequestsexception", "servicequotaexceededexception")),
    Row(
        "capacity",
        codes=(
            *("modelnotreadyexception", "modelerrorexception", "modelstreamerrorexception"),
            *("serviceunavailableexception", "internalserverexception", "internalfailure"),
        ),
    ),
    Row("timeout", codes=("modeltimeoutexception",)),
    Row(
        "auth",
        codes=(
            *("accessdeniedexception", "unrecognizedclientexception", "invalidsignatureexception"),
            *("expiredtokenexception", "missingauthenticationtokenexception", "incompletesignatureexception"),
        ),
    ),
    *OPENAI,
    Row("invalid_request", codes=("validationexception", "resourcenotfoundexception", "conflictexception")),
)

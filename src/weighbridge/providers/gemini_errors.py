"""What Google's errors mean where OpenAI's table says nothing of them, or something else. First match wins.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting and google.rpc.Code
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.providers.openai_errors import TABLE as OPENAI
from weighbridge.providers.openai_errors import Row

TABLE: Final[tuple[Row, ...]] = (
    Row(
        "context_length",
        status=(400, 500),
        message=re.compile(
            r"input token count.{0,60}(?:exceeds|only supports)|token count.{0,40}exceeds", re.IGNORECASE
        ),
    ),
    Row(
        "content_filter",
        status=(400, 403),
        message=re.compile(
            r"prohibited content|safety (?:setting|filter)|blocked by .{0,30}(?:safety|filter)", re.IGNORECASE
        ),
    ),
    # The account or the place it calls from: another provider may well serve it.
    Row("auth", status=(400,), codes=("failed_precondition",)),
    Row("capacity", codes=("cancelled", "aborted", "unknown", "data_loss")),
    *OPENAI,
)

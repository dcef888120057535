"""OpenAI's Responses API in terms of chat completions, for models that have only those.

`request` says a request for /v1/responses as a chat request; `reply` and `stream` say what comes back as a response.
"""

from weighbridge.wire.responses.reply import responses_reply_from_chat
from weighbridge.wire.responses.request import chat_from_responses
from weighbridge.wire.responses.stream import ResponsesFromChat

__all__ = ["ResponsesFromChat", "chat_from_responses", "responses_reply_from_chat"]

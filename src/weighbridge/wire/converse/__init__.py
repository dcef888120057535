"""AWS Bedrock's Converse API in terms of chat completions.

`request` says a chat request as Converse takes it, `reply` and `stream` say its replies as chat completions.
"""

from weighbridge.wire.converse.reply import chat_reply_from_converse
from weighbridge.wire.converse.request import converse_from_chat
from weighbridge.wire.converse.stream import ChatFromConverse

__all__ = ["ChatFromConverse", "chat_reply_from_converse", "converse_from_chat"]

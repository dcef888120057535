"""Google's generateContent in terms of chat completions.

`request` says a chat request as generateContent takes it, `reply` and `stream` say its replies as chat completions.
"""

from weighbridge.wire.generate.reply import Blocked, chat_reply_from_generate
from weighbridge.wire.generate.request import generate_from_chat
from weighbridge.wire.generate.stream import ChatFromGenerate

__all__ = ["Blocked", "ChatFromGenerate", "chat_reply_from_generate", "generate_from_chat"]

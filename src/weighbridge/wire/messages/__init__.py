"""Anthropic's Messages API in terms of chat completions, both ways: pure documents, no I/O.

    request    chat_from_messages, messages_from_chat, and plain_chat for providers that are not Anthropic
    reply      chat_reply_from_messages, messages_reply_from_chat
    stream     ChatFromMessages, MessagesFromChat
    error      chat_error_from_messages, messages_error_from_chat

Requests raise Untranslatable; replies and streams raise Unreadable, and StreamFailed for an error in place of an
answer.
"""

from weighbridge.wire.messages.errors import chat_error_from_messages, messages_error_from_chat, status_of
from weighbridge.wire.messages.from_chat import messages_from_chat
from weighbridge.wire.messages.plain import ANTHROPIC_ONLY, plain_chat
from weighbridge.wire.messages.replies import chat_reply_from_messages, messages_reply_from_chat
from weighbridge.wire.messages.stream_from_chat import MessagesFromChat
from weighbridge.wire.messages.stream_to_chat import ChatFromMessages
from weighbridge.wire.messages.to_chat import chat_from_messages

__all__ = [
    "ANTHROPIC_ONLY",
    "ChatFromMessages",
    "MessagesFromChat",
    "chat_error_from_messages",
    "chat_from_messages",
    "chat_reply_from_messages",
    "messages_error_from_chat",
    "messages_from_chat",
    "messages_reply_from_chat",
    "plain_chat",
    "status_of",
]

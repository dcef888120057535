"""LangChain's standard suite for chat models and embeddings, with its OpenAI client before the gateway.

Run by .ci/sdk-suites, in an environment of its own.
"""

import os

import pytest
from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found]  # in the suite's environment
from langchain_core.language_models import BaseChatModel  # type: ignore[import-not-found]
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # type: ignore[import-not-found]
from langchain_tests.integration_tests import (  # type: ignore[import-not-found]
    ChatModelIntegrationTests,
    EmbeddingsIntegrationTests,
)

URL = os.environ["WEIGHBRIDGE_URL"]


class TestChat(ChatModelIntegrationTests):  # type: ignore[misc]
    """Everything a chat model may be asked for."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        found: type[BaseChatModel] = ChatOpenAI
        return found

    @property
    def chat_model_params(self) -> dict[str, object]:
        return {"model": "it", "base_url": URL, "api_key": "none", "stream_usage": True, "max_retries": 0}

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @pytest.mark.xfail(run=False, reason="downloads a picture from the web")
    def test_image_inputs(self, model: BaseChatModel) -> None:
        """Pictures go through in tests/e2e/gateway/test_sdks.py."""


class TestEmbeddings(EmbeddingsIntegrationTests):  # type: ignore[misc]
    """Sync and async, one text and many."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        found: type[Embeddings] = OpenAIEmbeddings
        return found

    @property
    def embedding_model_params(self) -> dict[str, object]:
        return {
            "model": "text-embedding-3-small",
            "base_url": URL,
            "api_key": "none",
            "check_embedding_ctx_length": False,
        }

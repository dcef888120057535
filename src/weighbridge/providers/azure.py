"""Azure OpenAI: OpenAI's dialect, with the deployment in the path, a version in the query and the key in `api-key`."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from weighbridge.errors import UsageError
from weighbridge.providers.candidate import Api
from weighbridge.providers.openai import OpenAIDialect
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route

_VERSION: Final = "2024-10-21"
_PATHS: Final[dict[Api, str]] = {"chat": "chat/completions", "completions": "completions", "embeddings": "embeddings"}


class AzureDialect(OpenAIDialect):
    """One Azure resource. `base_url` is its endpoint, such as https://RESOURCE.openai.azure.com, and may name another
    version as `/?api-version=…`; where it ends in /openai/v1, Azure's newer paths are used, which take neither.

    `Model.model` is the deployment. Raises UsageError where the provider has no base URL.
    """

    def __init__(self, provider: Provider) -> None:
        if not provider.base_url:
            raise UsageError(
                f"provider {provider.name} needs a base_url",
                mend="Write the resource's endpoint, such as https://RESOURCE.openai.azure.com",
            )
        super().__init__(provider)
        self._headers = provider.request_headers()
        self._deployed: dict[tuple[str, Api], Route] = {}

    def route(self, model: Model, api: Api) -> Route:
        """Where a call goes. Raises UsageError for an API that is not OpenAI's."""
        if api not in _PATHS:
            raise self._foreign(api)
        deployment = model.model
        route = self._deployed.get((deployment, api))
        if route is None:
            url = _url(self.provider.base_url, deployment, api)
            route = self._deployed[deployment, api] = Route.to("POST", url, self._headers)
        return route


def _url(base: str, deployment: str, api: Api) -> str:
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    query = dict(parse_qsl(parts.query))
    if path.endswith("/openai/v1"):
        path = f"{path}/{_PATHS[api]}"
    else:
        path = f"{path.removesuffix('/openai')}/openai/deployments/{quote(deployment, safe='')}/{_PATHS[api]}"
        query.setdefault("api-version", _VERSION)
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))

"""Which proxy a call goes through, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say it."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from weighbridge.transport.route import Origin, parse


@dataclass(frozen=True, slots=True)
class Proxy:
    """`authorization` is the Proxy-Authorization value, never shown."""

    origin: Origin
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, url: str) -> Proxy:
        """Raises UsageError for a proxy URL we cannot use."""
        origin, _, userinfo = parse(url if "://" in url else f"http://{url}")
        basic = base64.b64encode(unquote(userinfo).encode()).decode() if userinfo else None
        return cls(origin, f"Basic {basic}" if basic else None)


@dataclass(frozen=True, slots=True)
class Proxies:
    """`no_proxy` holds host names (and all below them), addresses, networks, or `*`."""

    http: Proxy | None = None
    https: Proxy | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Proxies:
        env = os.environ if environment is None else environment

        def said(name: str) -> str | None:
            # Upper-case HTTP_PROXY can be set by a `Proxy:` request header under CGI (httpoxy).
            upper = None if name == "http_proxy" and "REQUEST_METHOD" in env else env.get(name.upper())
            return env.get(name) or upper or None

        fallback = said("all_proxy")
        http, https = (said(f"{scheme}_proxy") or fallback for scheme in ("http", "https"))
        rules = tuple(rule.strip().lower() for rule in (said("no_proxy") or "").split(",") if rule.strip())
        return cls(Proxy.at(http) if http else None, Proxy.at(https) if https else None, rules)

    @property
    def any(self) -> bool:
        """Whether there is a proxy at all."""
        return self.http is not None or self.https is not None

    def for_origin(self, origin: Origin) -> Proxy | None:
        proxy = self.https if origin.secure else self.http
        if proxy is None or any(_matches(rule, origin) for rule in self.no_proxy):
            return None
        return proxy


def _matches(rule: str, origin: Origin) -> bool:
    host = origin.host.lower()
    if rule == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule.strip("[]"), strict=False)
    except ValueError:
        pass
    name, _, port = rule.rpartition(":") if rule.rpartition(":")[2].isdigit() else (rule, "", "")
    name = name.removeprefix("*").strip("[]")
    if port and int(port) != origin.port:
        return False
    return host == name.lstrip(".") or host.endswith("." + name.lstrip("."))

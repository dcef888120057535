"""What a worker serves by."""

from __future__ import annotations

from collections.abc import Mapping

from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.keys import Keys
from weighbridge.gateway.cache import Cache
from weighbridge.gateway.second_look import SecondLook
from weighbridge.gateway.shadow import Shadowed
from weighbridge.gateway.upstream import Endpoint
from weighbridge.records.capture import Capture


class Setup:
    """What changes when the configuration is read anew; a request keeps the one it began with."""

    __slots__ = ("admission", "caches", "captures", "endpoints", "keys", "second", "shadows")

    def __init__(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        keys: Keys,
        admission: Admission,
        captures: Mapping[str, Capture],
        caches: Mapping[str, Cache] | None = None,
        shadows: Mapping[str, Shadowed] | None = None,
        second: SecondLook | None = None,
    ) -> None:
        self.endpoints = dict(endpoints)
        self.keys = keys
        self.admission = admission
        self.captures = dict(captures)
        self.caches = dict(caches or {})
        self.shadows = dict(shadows or {})
        self.second = second

"""From the settings of a configuration to a scorer's own struct, with one line for what is wrong."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from weighbridge.errors import UsageError

T = TypeVar("T")


def read(kind: str, settings: Any, type_: type[T]) -> T:
    """Raises UsageError that names the scorer, the setting and the mend."""
    try:
        return msgspec.convert(settings if settings is not None else {}, type_)
    except msgspec.ValidationError as error:
        known = ", ".join(getattr(type_, "__struct_fields__", ())) or "none"
        raise UsageError(f"scorer {kind}: {error}", mend=f"Its settings are: {known}") from None

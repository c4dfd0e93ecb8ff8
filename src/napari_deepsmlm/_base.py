"""FrozenModel: the base of every configuration, read from and written to YAML."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_deepsmlm._boundary import reading
from napari_deepsmlm._files import atomic_write
from napari_deepsmlm._yaml import load_plain

MAX_CONFIG_BYTES = 1_000_000


class FrozenModel(BaseModel):
    """An immutable configuration whose unknown keys are errors.

    Examples
    --------
    >>> from napari_deepsmlm.camera import EMCCD
    >>> EMCCD(em_gain=100).replace(em_gain=300).em_gain
    300.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        return type(self).model_validate({**dict(self), **changes})

    @classmethod
    def from_dict(
        cls, values: Any, source: str = "configuration", folder: Path | None = None
    ) -> Self:
        """Validate plain values; `source` names where they came from in the error.

        Files that they name are looked for in `folder`, by default the working directory.

        Raises
        ------
        ValueError
            One sentence naming the first wrong field, what was found and what is expected.
        """
        if not isinstance(values, dict):
            raise ValueError(f"{source}: expected key: value pairs, found {_shorten(values)}.")
        try:
            return cls.model_validate(values, context={"folder": folder})
        except ValidationError as error:
            raise ValueError(f"{source}: {_first_problem(error)}") from None
        except (ArithmeticError, LookupError, RecursionError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"{source}: holds what cannot be used ({reason}).") from error

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML file written by hand or by :meth:`to_file`.

        Files that it names are looked for in its folder.
        """
        path = Path(path)
        with reading(path, "correct it"):
            return cls.from_dict(load_yaml(path), source=path.name, folder=path.parent)

    def to_yaml(self) -> str:
        """Return the configuration as YAML, fields in their declared order."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def to_file(self, path: str | Path) -> None:
        """Write YAML that :meth:`from_file` reads back to an equal configuration."""
        with atomic_write(path) as file:
            file.write(self.to_yaml().encode())


def load_yaml(path: str | Path) -> Any:
    """Return the plain values of a small YAML file.

    Raises
    ------
    ValueError
        If the file is over 1 MB, empty, not YAML, or uses aliases (a "YAML bomb" needs them,
        a configuration does not).
    """
    path = Path(path)
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ValueError(f"{path.name}: larger than 1 MB, which is no configuration file.")
    try:
        values = load_plain(decode_text(path.read_bytes()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or "nested too deeply"
        raise ValueError(f"{path.name}: not a readable YAML file ({reason}).") from None
    if values is None:
        raise ValueError(f"{path.name}: the file is empty.")
    return values


def decode_text(data: bytes) -> str:
    """Return a text in whatever encoding its editor used: UTF-8, UTF-16, or Windows' own.

    Examples
    --------
    >>> decode_text("Camera: µ".encode("cp1252")), decode_text("Width: 5".encode("utf-16"))
    ('Camera: µ', 'Width: 5')
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key '{where}'{more}."
    if first["type"] == "missing":
        return f"'{where}' is missing{more}."
    if first["type"] == "union_tag_not_found":
        return f"'{where}': needs a 'kind' to say which one it is{more}."
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    message = message.replace("Input should be", "must be")
    if not first["loc"] and isinstance(first["input"], dict):  # values that do not go together
        return f"{message}{more}."
    return f"'{where}': {message}, found {_shorten(first['input'])}{more}."


def _shorten(value: Any) -> str:
    is_plain = isinstance(value, str | int | float | bool)
    is_row = isinstance(value, tuple) and all(
        part is None or isinstance(part, int | float) for part in value
    )
    is_short = is_plain or is_row
    text = repr(value) if is_short else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."

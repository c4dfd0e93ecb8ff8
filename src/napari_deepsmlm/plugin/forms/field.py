"""Forms: a pydantic field becomes a magicgui widget with unit, range and tooltip."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from magicgui.widgets import CheckBox, create_widget

from napari_deepsmlm.plugin.widgets.editors import (
    DECIMALS,
    Number,
    NumberRange,
    Suggestions,
    make_calm,
    set_tooltip,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

UNITS = {
    "nm": "nm",
    "um": "µm",
    "px": "px",
    "ms": "ms",
    "degrees": "°",
    "minutes": "min",
    "per_um2": "per µm²",
    "per_um": "per µm",
    "per_adu": "per ADU",
    "e": "e⁻",
}
MAX_INTEGER = 2**31 - 1


def editor_for(
    model: type[BaseModel],
    name: str,
    *,
    label: str = "",
    none_text: str = "auto",
    choices: Sequence[Any] = (),
) -> Any:
    """Return a magicgui widget with a value, for a field, set to its default.

    Parameters
    ----------
    model : the configuration.
    name : one of its fields, of type bool, int, float, str or `Literal`, one of these or None, or a
        range: a pair of numbers.
    label : instead of the field's name; the unit is added to it, unless it has one in brackets.
    none_text : what the editor shows for None.
    choices : suggestions; an integer may still be any other, a string may not.

    Examples
    --------
    >>> from napari_deepsmlm.simulation import Filaments
    >>> label_of(Filaments, "tilt_degrees")
    'Tilt (°)'
    """
    field = model.model_fields[name]
    if not can_edit(field):
        raise TypeError(f"No editor for field '{name}' of type {field.annotation}.")
    kind, is_optional = _kind(field.annotation)
    options = _options(field, choices, none_text if is_optional else "")
    widget: Any = create_widget(
        annotation=None if "widget_type" in options else kind,  # resolving it takes its time
        name=name,
        label=label_of(model, name, label),
        options=options,
    )
    widget.native.setObjectName(name)
    set_tooltip(widget, _tooltip(field, name))
    if not isinstance(widget, Number):  # which is calm by itself
        make_calm(widget.native)
    if isinstance(widget, CheckBox):
        widget.text = ""  # its label stands before it
    if not field.is_required():
        widget.value = field.default
    return widget


def can_edit(field: FieldInfo) -> bool:
    """Whether there is an editor for a field."""
    kind, _ = _kind(field.annotation)
    is_simple = isinstance(kind, type) and issubclass(kind, bool | int | float | str)
    return is_simple or get_origin(kind) is Literal or _is_range(field.annotation)


def label_of(model: type[BaseModel], name: str, label: str = "") -> str:
    """Return a field's name in words with its unit in brackets."""
    suffix = _suffix(name)
    words = (label or name.removesuffix(f"_{suffix}")).replace("_", " ")
    unit = f" ({UNITS[suffix]})" if suffix and "(" not in words else ""
    return f"{words[:1].upper()}{words[1:]}{unit}"


# -- fields ---------------------------------------------------------------------------------


def _options(field: FieldInfo, choices: Sequence[Any], none_text: str) -> dict[str, Any]:
    """Return what magicgui does not know from the type alone."""
    kind, _ = _kind(field.annotation)
    limits = _limits(field)
    if choices:
        suggested = {"widget_type": Suggestions, "limits": limits} if kind is int else {}
        return {"choices": choices, **suggested}
    if kind in (int, float):
        return {"widget_type": Number, "kind": kind, "limits": limits, "none_text": none_text}
    if _is_range(kind):
        return {"widget_type": NumberRange, "kind": get_args(kind)[0], "limits": limits}
    return {}


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Return the type without None, and whether None is allowed."""
    if get_origin(annotation) is Literal:
        return annotation, False
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if kinds and NoneType in get_args(annotation):
        return kinds[0], True
    return annotation, False


def _is_range(kind: Any) -> bool:
    parts = get_args(kind)
    return get_origin(kind) is tuple and parts in ((float, float), (int, int))


def _limits(field: FieldInfo) -> tuple[float, float]:
    low, high = -float(MAX_INTEGER), float(MAX_INTEGER)
    for limit in field.metadata:
        match limit:
            case Ge(ge=value):
                low = float(value)  # type: ignore[arg-type]
            case Gt(gt=value):
                low = float(value) + 10.0**-DECIMALS  # type: ignore[arg-type]
            case Le(le=value) | Lt(lt=value):
                high = float(value)  # type: ignore[arg-type]
    return low, high


def _suffix(name: str) -> str:
    """Return the end of a field's name that is a unit, the longest there is."""
    return max((unit for unit in UNITS if name.endswith(f"_{unit}")), key=len, default="")


def _tooltip(field: FieldInfo, name: str) -> str:
    text = field.description or ""
    low, high = _limits(field)
    if low > -MAX_INTEGER and high < MAX_INTEGER:
        text += f" Range {low:g} to {high:g} {UNITS.get(_suffix(name), '')}".rstrip() + "."
    return text.strip()

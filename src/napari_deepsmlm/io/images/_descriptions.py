"""What an image says of itself: axes, pixel size and report in OME's words and in ImageJ's."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    import numpy as np

OME_TYPES = {
    **{name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")},
    "float32": "float",
    "float64": "double",
}
NM_PER_CM = 1e7


def ome_xml(
    shape: tuple[int, int, int, int],
    dtype: np.dtype[Any],
    name: str,
    pixel_size_nm: float,
    report: dict[str, Any] | None,
    z_step_nm: float | None,
) -> str:
    """Return OME-XML (2016-06 schema) for planes stored C fastest, then T, or then Z."""
    n, c, h, w = shape
    t, z = (n, 1) if z_step_nm is None else (1, n)
    text = "" if report is None else json.dumps(report, ensure_ascii=True, default=str)
    description = f"<Description>{escape(text)}</Description>" if text else ""
    size = (
        f'SizeX="{w}" SizeY="{h}" SizeC="{c}" SizeZ="{z}" SizeT="{t}" '
        f'PhysicalSizeX="{pixel_size_nm!r}" PhysicalSizeXUnit="nm" '
        f'PhysicalSizeY="{pixel_size_nm!r}" PhysicalSizeYUnit="nm"'
    )
    if z_step_nm is not None:
        size += f' PhysicalSizeZ="{float(z_step_nm)!r}" PhysicalSizeZUnit="nm"'
    channels = "".join(f'<Channel ID="Channel:0:{i}" SamplesPerPixel="1"/>' for i in range(c))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation='
        '"http://www.openmicroscopy.org/Schemas/OME/2016-06 '
        'http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd" '
        f'UUID="urn:uuid:{uuid.uuid4()}" Creator="napari-deepsmlm">'
        f'<Image ID="Image:0" Name={quoteattr(name)}>{description}'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="{OME_TYPES[dtype.name]}" {size}>'
        f'{channels}<TiffData IFD="0" PlaneCount="{n * c}"/></Pixels></Image></OME>'
    )


def imagej_header(
    shape: tuple[int, int], pixel_size_nm: float, z_step_nm: float | None = None
) -> str:
    """Return ImageJ's description of (n, C) planes; the TIFF's own pixels per cm are in its unit.

    ImageJ shows such small pixels in um. It holds no pixels of 32-bit integers or 64-bit floats,
    which only OME readers can open.
    """
    n, c = shape
    axis = "frames" if z_step_nm is None else "slices"
    lines = ["ImageJ=1.54f", f"images={n * c}", f"channels={c}", f"{axis}={n}"]
    if n * c > 1:
        lines += ["hyperstack=true", "mode=grayscale"]
    lines.append("unit=cm")
    if z_step_nm is not None:
        lines.append(f"spacing={z_step_nm / NM_PER_CM!r}")
    return "\n".join([*lines, ""])


def set_descriptions(file: BinaryIO, name: str, *descriptions: str) -> None:
    """Give the first page its final descriptions, at the end of the file."""
    import tifffile

    for k, text in enumerate(descriptions):
        file.seek(0)
        with tifffile.TiffFile(handle(file, name)) as tiff:
            tags = tiff.pages.first.tags.getall("ImageDescription") or []
            tags[k].overwrite(text.encode())


def handle(file: Any, name: str) -> Any:
    """Give tifffile the file with a name: a temporary file's own name is a number."""
    import tifffile

    return tifffile.FileHandle(file, name=name)

"""`deepsmlm filter`, `render` and `convert`: what is done with a table of localizations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_deepsmlm._words import counted
from napari_deepsmlm.cli._console import print_warnings
from napari_deepsmlm.cli._options import JsonFlag
from napari_deepsmlm.cli._tables import (
    Kind,
    OutTable,
    Table,
    TablePixelSize,
    Unit,
    check_belongings,
    check_outputs,
    read,
    tell,
    write,
)

if TYPE_CHECKING:
    from napari_deepsmlm.localizations import Localizations
    from napari_deepsmlm.render import RenderOptions


def filter_table(
    table: Table,
    where: Annotated[
        str, typer.Option(help="Condition, as 'uncertainty_xy < 30 & (intensity > 500)'.")
    ],
    out_file: OutTable,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    kind: Kind = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep the molecules that fulfil a condition in ThunderSTORM's syntax (frames count from 1)."""
    from napari_deepsmlm import filtering

    check_outputs(out_file, source=table)
    molecules, pixel_nm = read(table, pixel_size, unit)
    kept = filtering.filter_table(molecules, where)
    step = {"kind": "filter", "where": where}
    write(kept, out_file, kind, pixel_nm, source=table, step=step)
    report = {"molecules": len(molecules), "kept": len(kept), "where": where, "file": str(out_file)}
    note = f"{len(kept):,} of {counted(len(molecules), 'molecule')} kept: {out_file}"
    tell(report, note, as_json, n_read=len(molecules))


def render(
    table: Table,
    out_file: Annotated[Path, typer.Option("--out", help="Image to write, .tif.")],
    sr_pixel: Annotated[
        float | None, typer.Option(help="Pixel of the image, nm; default 10, of a volume 24.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="histogram, gaussian, or ash (average shifted histogram).")
    ] = "histogram",
    sigma: Annotated[
        float | None,
        typer.Option(
            help="gaussian: one width for all, nm; default: their own; needed if they have none."
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="Camera frames whose field the image covers, so that it lies on them: a file, or "
            "H,W in camera pixels; default: as far as the molecules reach."
        ),
    ] = None,
    volume: Annotated[
        bool, typer.Option("--volume", help="Draw a volume of voxels; for molecules with z.")
    ] = False,
    z_step: Annotated[
        float | None, typer.Option(help="--volume: height of a voxel, nm; default 50.")
    ] = None,
    beads: Annotated[
        bool, typer.Option("--beads", help="--volume: draw beads too, seen in most frames.")
    ] = False,
    shifts: Annotated[
        int | None, typer.Option(help="ash: image pixels per bin; default 4.")
    ] = None,
    color_by: Annotated[
        str | None, typer.Option(help="Column that gives the colours, such as z; makes RGB.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="Draw only what fulfils a condition.")] = None,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    as_json: JsonFlag = False,
) -> None:
    """Draw the molecules as an image: counts per pixel, Gaussians, or coloured by a column."""
    from napari_deepsmlm import filtering
    from napari_deepsmlm.drift import without_beads
    from napari_deepsmlm.io import history_report, require_image_ending
    from napari_deepsmlm.localizations import known_places
    from napari_deepsmlm.render import RenderOptions, VolumeOptions, frames_shape

    require_image_ending(out_file)
    if volume and color_by is not None:
        raise ValueError("A volume has no colours: leave out --color-by or --volume.")
    check_belongings(
        (sigma is not None, "--sigma", kind == "gaussian", "--kind gaussian"),
        (shifts is not None, "--shifts", kind == "ash", "--kind ash"),
        (z_step is not None, "--z-step", volume, "--volume"),
        (beads, "--beads", volume, "--volume"),
    )
    sr_pixel = sr_pixel if sr_pixel is not None else 24.0 if volume else 10.0
    values: dict[str, Any] = {"kind": kind, "sr_pixel_nm": sr_pixel, "sigma_nm": sigma}
    values |= {} if shifts is None else {"n_shifts": shifts}
    options: RenderOptions
    if volume:
        values |= {} if z_step is None else {"z_step_nm": z_step}
        options = VolumeOptions.from_dict(values, source="options")
    else:
        options = RenderOptions.from_dict(values, source="options")
    molecules, pixel_nm = read(table, pixel_size, unit)
    n_read = len(molecules)
    if where is not None:
        molecules = filtering.filter_table(molecules, where)
    if volume and "z_nm" in molecules:
        has_depth = known_places(molecules, ["z_nm"])
        if not has_depth.all():
            flat = counted(int((~has_depth).sum()), "molecule")
            print_warnings([f"{flat} without depth left out."])
            molecules = molecules[has_depth]
        molecules, remarks = (molecules, []) if beads else without_beads(molecules)
        print_warnings(remarks)
    field_nm = None if field is None else _field_nm(field, pixel_size, pixel_nm)
    shape = None if field_nm is None else frames_shape(*field_nm, sr_pixel)
    n_outside = _warn_of_outside(molecules, field_nm)
    report: dict[str, Any] = {
        "inputs": [str(table)],
        "molecules": len(molecules),
        "where": where,
        "outside": n_outside,
        "field_nm": field_nm,
        "image": options.model_dump(),
        "file": str(out_file),
        "history": history_report(table),
    }
    report |= _draw_to(out_file, molecules, options, shape, color_by, report)
    n_inside = len(molecules) - n_outside
    size = f"{' x '.join(map(str, report['shape']))} {'voxels' if volume else 'pixels'}"
    note = f"{counted(n_inside, 'molecule')} in {size}: {out_file}"
    if color_by is not None:
        note += f" (blue {report['color_low']:.4g}, grey, orange {report['color_high']:.4g})"
    tell(report, note, as_json, n_read=n_read)


def _draw_to(
    out_file: Path,
    molecules: Localizations,
    options: RenderOptions,
    shape: tuple[int, int] | None,
    color_by: str | None,
    report: dict[str, Any],
) -> dict[str, Any]:
    """Write the image, the volume or the colours; return what there is to say of them."""
    from napari_deepsmlm.filtering import find_column
    from napari_deepsmlm.io import write_image, write_rgb, write_volume
    from napari_deepsmlm.io.tables.columns import merged_uncertainty
    from napari_deepsmlm.io.tables.headers import UNCERTAINTY_XY
    from napari_deepsmlm.render import VolumeOptions, draw, draw_colored, draw_volume

    nm = options.sr_pixel_nm
    if isinstance(options, VolumeOptions):
        drawn = draw_volume(molecules, shape, options=options)
        said: dict[str, Any] = {"z_nm": drawn.z_nm}
        voxels = drawn.voxels.numpy()
        how = {"pixel_size_nm": nm, "z_step_nm": options.z_step_nm}
        write_volume(out_file, voxels, report=report | said, **how)
        return said | {"shape": list(voxels.shape)}
    if color_by is None:
        image = draw(molecules, shape, options=options).numpy()
        write_image(out_file, image, pixel_size_nm=nm, report=report)
        return {"shape": list(image.shape)}
    column = find_column(color_by, molecules.names) or color_by
    if column == UNCERTAINTY_XY:  # one number in ThunderSTORM, two in a table of ours
        molecules = molecules.with_columns(**{column: merged_uncertainty(molecules)})
    colors, low, high = draw_colored(molecules, column, shape, options=options)
    said = {"color_by": column, "color_low": low, "color_high": high}
    write_rgb(out_file, colors, pixel_size_nm=nm, report=report | said)
    return said | {"shape": list(colors.shape[:2])}


def convert(
    table: Table,
    out_file: OutTable,
    pixel_size: TablePixelSize = None,
    unit: Unit = None,
    kind: Kind = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a table in another format; the ending of --out, or --format, says which."""
    check_outputs(out_file, source=table)
    molecules, pixel_nm = read(table, pixel_size, unit)
    write(molecules, out_file, kind, pixel_nm, source=table, step=None)
    report = {
        "molecules": len(molecules),
        "columns": list(molecules.names),
        "camera_pixel_nm": pixel_nm,
        "file": str(out_file),
    }
    tell(
        report, f"{counted(len(molecules), 'molecule')}: {out_file}", as_json, n_read=len(molecules)
    )


def _field_nm(field: str, given_nm: float | None, of_table_nm: float | None) -> tuple[float, float]:
    """Return height and width, nm, of the frames of a file, or of H,W in camera pixels."""
    from napari_deepsmlm.io import open_frames

    sides = field.split(",")
    if len(sides) == 2 and all(side.strip().isdecimal() for side in sides):
        height, width, pixel_nm = int(sides[0]), int(sides[1]), of_table_nm
    else:
        with open_frames(field) as source:
            height, width = source.shape[-2:]
            pixel_nm = given_nm or source.pixel_size_nm or of_table_nm
    if pixel_nm is None:
        raise ValueError(f"--field {field}: the camera pixel is not known; give --pixel-size, nm.")
    if not height or not width:
        raise ValueError(f"--field {field}: a field has at least one row and one column.")
    return height * pixel_nm, width * pixel_nm


def _warn_of_outside(molecules: Any, field_nm: tuple[float, float] | None) -> int:
    """Return how many molecules lie outside the image, and say so."""
    from napari_deepsmlm.localizations import known_places

    x, y = molecules.x_nm, molecules.y_nm
    is_somewhere = known_places(molecules, ("x_nm", "y_nm"))
    is_outside = (x < 0) | (y < 0)
    where = "at negative x or y, outside the image, which begins at 0"
    if field_nm is not None:
        is_outside |= (y >= field_nm[0]) | (x >= field_nm[1])
        where = "outside the field of the frames"
    n_outside, n_nowhere = int((is_outside & is_somewhere).sum()), int((~is_somewhere).sum())
    for n, place in ((n_outside, where), (n_nowhere, "where no sample is, a metre away or more")):
        if n:
            who = f"{counted(n, 'molecule')} {'lies' if n == 1 else 'lie'}"
            print_warnings([f"{who} {place}; not drawn."])
    return n_outside + n_nowhere

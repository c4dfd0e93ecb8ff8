"""`deepsmlm drift` of a time-lapse: its images are held still, and their sum is one image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_deepsmlm.cli._console import err, print_warnings

if TYPE_CHECKING:
    from napari_deepsmlm.drift import DriftResult


def hold_lapse_still(
    lapse: Path,
    out_file: Path,
    *,
    curve: Path | None,
    image: Path | None,
    given: Path | None,
    is_back: bool,
) -> tuple[dict[str, Any], str]:
    """Write a time-lapse with its drift taken off; return the report and a sentence.

    Parameters
    ----------
    curve : file for the measured curve.
    image : file for the sum of the images.
    given : file of a curve to take off, or to put back with `is_back`; None: it is measured.
    """
    from napari_deepsmlm._files import refuse_to_replace
    from napari_deepsmlm.drift import hold_still, measure_image_drift, read_curve, sum_of
    from napari_deepsmlm.io import (
        ImageWriter,
        LapseImages,
        require_image_ending,
        write_image,
    )

    for path in (out_file, image):
        if path is not None:
            require_image_ending(path)
            refuse_to_replace(path, [], inputs=[lapse])
    if image is not None and image.absolute() == out_file.absolute():
        raise ValueError(f"{image} is named twice: each output needs a file of its own.")
    known = _report_of(lapse)
    frames, sr_pixel_nm = known["time_lapse"], float(known["sr_pixel_nm"])
    with LapseImages(lapse) as images, err.status("Drift…"):
        if given is None:
            found = measure_image_drift(images, frames, sr_pixel_nm)
            print_warnings(found.remarks)
            taken, note = found.curve, found.sentence()
            report = found.report() | save_measured(found, curve)
        else:
            taken, report = read_curve(given), {"curve": str(given)}
            note = f"Drift of {given.name} {'put back' if is_back else 'taken off'}."
        kept = known | {"drift": {key: value for key, value in report.items() if key != "picture"}}
        still = hold_still(images, frames, taken, sr_pixel_nm, take_back=is_back)
        with ImageWriter(out_file, pixel_size_nm=sr_pixel_nm, report=kept) as writer:
            total = sum_of(_written(still, writer), frames)
    report |= {"images": len(frames), "file": str(out_file)}
    note += f"\nTaken off: {out_file}" if given is None else f"\n{out_file}"
    if image is not None:
        del kept["time_lapse"]
        write_image(image, total, pixel_size_nm=sr_pixel_nm, report=kept)
        report |= {"image": str(image)}
        note += f"\nThe sum of its images: {image}"
    return report, note


def _report_of(lapse: Path) -> dict[str, Any]:
    """Return the report of a time-lapse of ours, which knows the frames of its images."""
    from napari_deepsmlm.io import read_report

    known = read_report(lapse) or {}
    if "time_lapse" not in known or "sr_pixel_nm" not in known:
        raise ValueError(
            f"{lapse.name} is no time-lapse of ours, whose frames are known: reconstruct with "
            "--window, or give a table."
        )
    return known


def _written(images: Any, writer: Any) -> Any:
    for each in images:
        writer.append(each)
        yield each


def save_measured(found: DriftResult, curve: Path | None) -> dict[str, Any]:
    """Write a measured curve and its picture if asked for; return where they are."""
    from napari_deepsmlm.drift import save_drift_figure, write_curve

    if curve is None:
        return {}
    write_curve(curve, found.curve)
    picture = curve.with_suffix(".png")
    save_drift_figure(picture, found)
    return {"curve": str(curve), "picture": str(picture)}

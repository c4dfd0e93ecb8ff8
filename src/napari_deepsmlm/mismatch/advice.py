"""Words: what to expect of data outside of what a model was trained on, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm._words import counted
from napari_deepsmlm.mismatch.table import QUANTITIES, SIGMAS, range_text, rounded

if TYPE_CHECKING:
    from napari_deepsmlm.mismatch.table import Measurement
    from napari_deepsmlm.mismatch.trained import Range


def pixel_sentence(name: str, trained_nm: float, pixel_nm: float) -> str:
    """Return what pixels of another size do to a model."""
    return (
        f"{name} was trained for {trained_nm:g} nm pixels, the data has {pixel_nm:g} nm: "
        "expect missed and false molecules; train a model for this pixel size."
    )


def margin_sentence(quantity: str, measured: Measurement, trained: Range, factor: float) -> str:
    """Return by how much a quantity is beyond its range, and why that is not called outside.

    Examples
    --------
    >>> from napari_deepsmlm.mismatch.table import Measurement
    >>> margin_sentence("photons", Measurement(6172.0), (800.0, 4500.0), 2.0).split(",")[0]
    '37 % above the range: tolerated up to a factor of 2'
    """
    value, error, *_ = measured
    assert value is not None  # noqa: S101 - only what was measured is near
    low, high = trained
    is_above = value > high
    share = value / high - 1 if is_above else 1 - value / low
    where = f"{rounded(100 * share)} % {'above' if is_above else 'below'} the range"
    if low / factor <= value <= high * factor:
        return f"{where}: tolerated up to a factor of {factor:g}, as {QUANTITIES[quantity].why}."
    return f"{where}, but known to ± {rounded(100 * SIGMAS * error / value)} % only."


def pixels_only_sentence(trained: Range) -> str:
    """Return why pixels of another size are no matter where the width in pixels is as trained."""
    return (
        f"Trained at {range_text(*trained)} nm, but the network sees pixels only, and in pixels "
        "the width of molecules is as trained; lengths in nm follow the pixel size of the data."
    )


def depths_sentence(name: str) -> str:
    """Return what images of several widths mean for a model without depth."""
    return (
        "The widths of the molecules vary, as they do at different depths or with an engineered "
        f"PSF. If so: {name} is a 2-D model and gives no z: choose a model with depth, such "
        "as an astigmatic one, or calibrate the PSF with beads and train one."
    )


def expectation(
    quantity: str, name: str, value: float, trained: Range, pixel_size_nm: float, side: int
) -> str:
    """Return one sentence or two about a quantity that is outside.

    Parameters
    ----------
    name : of the model.
    value, trained : in the units of the table.
    side : 1 above, -1 below.
    """
    span = range_text(*trained)
    if quantity == "pixel_size_nm":
        return pixel_sentence(name, trained[0], value)
    if quantity == "psf_sigma_px":
        return (
            f"Molecules are about {rounded(value)} pixels wide (σ); {name} was trained on "
            f"{span}: expect missed, doubled and shifted molecules. Check the pixel "
            "size and the focus, or train a model for this width."
        )
    if quantity == "psf_sigma_nm":
        return "Other optics, colour or focus than trained, or the pixel size is not right."
    if quantity == "background":
        return _on_background(name, value, span, side)
    if quantity == "density_per_um2":
        return _on_density(name, value, trained, pixel_size_nm, side)
    if quantity == "photons":
        return (
            f"Molecules give about {rounded(value)} photons per frame; {name} was trained on "
            f"{span}: {'many will be missed' if side < 0 else 'photons may be cut off'}. "
            "Check the camera's gain, or train a model for your data."
        )
    if quantity == "em_noise":
        return _on_em_noise(name, side)
    if quantity == "snr":
        if side > 0:
            return "Molecules stand out more than trained: usually little harm."
        return "Molecules stand out less than any in training: expect missed and false ones."
    return (
        f"{name} reads {counted(round(trained[0]), 'focal plane')} per frame, the data has "
        f"{value:g}: choose a model for as many."
    )


def _on_em_noise(name: str, side: int) -> str:
    if side < 0:
        return "Less noise for the light than trained: usually little harm."
    return (
        "The camera multiplies electrons (EMCCD), which doubles the variance of its light; "
        f"{name} was trained on cameras that do not: expect false molecules, and errors stated too "
        "small. Adapt it, or train a model for this camera."
    )


def of_fit(
    quantity: str, name: str, value: float, trained: Range, pixel_size_nm: float, side: int
) -> str:
    """Return the same for fits of single molecules, which were trained on nothing."""
    span = range_text(*trained)
    if quantity == "psf_sigma_px":
        return (
            f"Molecules are about {rounded(value)} pixels wide (σ); {name} looks for {span}: "
            "expect missed and doubled molecules. Check the pixel size and the focus."
        )
    if quantity == "density_per_um2" and side > 0:
        in_100_px = 100 * pixel_size_nm**2 / 1e6
        return (
            f"About {rounded(value * in_100_px)} molecules shine in 10 x 10 pixels of an input "
            f"frame; {name} takes each spot for one molecule, which is right up to "
            f"{rounded(trained[1] * in_100_px)}: expect merged and missed ones. Choose a network "
            "(--model dilated-loc), or record sparser ones."
        )
    return expectation(quantity, name, value, trained, pixel_size_nm, side)


def _on_background(name: str, value: float, span: str, side: int) -> str:
    if side < 0:
        return "Darker than trained: usually little harm; check the camera's baseline."
    return (
        f"Background is about {rounded(value)} photons per pixel; {name} was trained "
        f"on {span}: molecules may be missed or invented. Train a model for your "
        "data, or record with less stray light; check the camera's baseline too."
    )


def _on_density(name: str, value: float, trained: Range, pixel_size_nm: float, side: int) -> str:
    if side < 0:
        return "Sparser than trained: usually little harm."
    in_100_px = 100 * pixel_size_nm**2 / 1e6
    return (
        f"About {rounded(value * in_100_px)} molecules shine in 10 x 10 pixels of an input frame; "
        f"{name} was trained on up to {rounded(trained[1] * in_100_px)}: expect merged and missed "
        "ones. Sum fewer frames, record sparser ones, or train a model for this density."
    )

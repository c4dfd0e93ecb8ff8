"""PSF files: YAML for PSFs that are a few numbers, safetensors or .mat for measured ones."""

from __future__ import annotations

from pathlib import Path

from napari_deepsmlm._base import FrozenModel, load_yaml
from napari_deepsmlm.psf import AnyPSF, CalibratedPSF


class _Holder(FrozenModel):
    psf: AnyPSF


def load_psf(path: str | Path) -> AnyPSF:
    """Return the PSF of a file.

    Parameters
    ----------
    path : YAML with a `kind`, as :func:`save_psf` writes it or as the `psf` of an experiment
        file; a calibration of this package (.safetensors).

    Raises
    ------
    ValueError
        One sentence naming the file and what is wrong with it.
    """
    path = Path(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        values = load_yaml(path)
        # A PSF has a kind, and may hold another psf; an experiment has only the psf.
        if isinstance(values, dict) and "kind" not in values:
            values = values.get("psf", values)
    else:
        values = {"kind": "calibrated", "file": path.name}
    return _Holder.from_dict({"psf": values}, source=path.name, folder=path.parent).psf


def save_psf(psf: AnyPSF, path: str | Path) -> AnyPSF:
    """Write a PSF and return the one that reads from the file.

    Parameters
    ----------
    path : ends in .safetensors for a calibrated PSF, in .yaml for all others.

    Raises
    ------
    ValueError
        If the ending does not fit the PSF.
    """
    path = Path(path)
    suffix = ".safetensors" if isinstance(psf, CalibratedPSF) else ".yaml"
    if path.suffix.lower() != suffix:
        raise ValueError(f"{path.name}: a {psf.kind} PSF is saved as a {suffix} file.")
    if isinstance(psf, CalibratedPSF):
        return psf.save(path)
    psf.to_file(path)
    return psf

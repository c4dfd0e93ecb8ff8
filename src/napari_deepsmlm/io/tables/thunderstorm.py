"""ThunderSTORM CSV: the table format every localization program reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepsmlm.io.tables.columns import Column, TableFormat
from napari_deepsmlm.io.tables.csv_tables import CsvWriter
from napari_deepsmlm.io.tables.headers import UNCERTAINTY_XY
from napari_deepsmlm.io.tables.text_tables import read_text_table, text_pixel_size
from napari_deepsmlm.localizations import KNOWN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Ovesny et al. 2014, doi:10.1093/bioinformatics/btu202, as version 1.3 and later write it; the
# probability, the p-value and the uncertainties along each axis are our own additions, which
# ThunderSTORM passes over.
COLUMNS = (
    Column("id", "id"),
    Column("frame", "frame"),
    Column("x [nm]", "x_nm"),
    Column("y [nm]", "y_nm"),
    Column("z [nm]", "z_nm"),
    Column("sigma [nm]", "sigma_nm"),
    Column("sigma1 [nm]", "sigma_nm"),
    Column("sigma2 [nm]", "sigma_y_nm"),
    Column("intensity [photon]", "photons"),
    Column("offset [photon]", "background"),
    Column("bkgstd [photon]", "background_std"),
    Column("uncertainty [nm]", UNCERTAINTY_XY, is_written=False),
    Column("uncertainty_xy [nm]", UNCERTAINTY_XY),
    Column("uncertainty_z [nm]", "uncertainty_z_nm"),
    Column("detections", "detections"),
    Column("probability", "probability"),
    Column("p_value", "p_value"),
    Column("uncertainty_x [nm]", "uncertainty_x_nm"),
    Column("uncertainty_y [nm]", "uncertainty_y_nm"),
)


class LocalizationWriter(CsvWriter):
    """A ThunderSTORM CSV that takes results as they arrive.

    The file appears when the `with` block ends without an error; until then an older file of that
    name stays as it is. Rows are numbered on unless the table has an `id` of its own. Values
    are written with five decimals; uncertainties along x and y as their root mean square, which
    every program knows, and each in a column of its own.

    Parameters
    ----------
    path : the file to write.
    names : our column names that every piece will have, as `Localizations.names`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from napari_deepsmlm.localizations import Localizations
    >>> path = Path(tempfile.mkdtemp()) / "found.csv"
    >>> with LocalizationWriter(path, ["frame", "x_nm", "y_nm"]) as writer:
    ...     writer.append(Localizations(frame=[0], x_nm=[150.0], y_nm=[50.0]))
    >>> print(path.read_text())
    "id","frame","x [nm]","y [nm]"
    1,1,150,50
    """

    def __init__(self, path: str | Path, names: Iterable[str]) -> None:
        names = set(names)
        super().__init__(path, _written_columns(names), names, format_name=FORMAT.name, quoted=True)


def _written_columns(names: set[str]) -> list[Column]:
    """Return the columns of the file, in ThunderSTORM's order, and then those of other programs."""
    is_3d_sigma = "sigma_y_nm" in names
    along = names & {"uncertainty_x_nm", "uncertainty_y_nm"}
    if along:
        names = names | {UNCERTAINTY_XY}
    if len(along) == 1:
        names = names - along  # the common column says it all
    skipped = "sigma" if is_3d_sigma else "sigma1"
    others = sorted(names - set(KNOWN_COLUMNS) - {column.name for column in COLUMNS})
    return [
        column
        for column in COLUMNS
        if column.is_written
        and (column.name in names or column.name == "id")
        and column.label != skipped
    ] + [Column(name, name) for name in others]


FORMAT = TableFormat(
    name="ThunderSTORM",
    key="thunderstorm",
    suffixes=(".csv", ".txt", ".tsv"),
    read=read_text_table,
    writer=lambda path, names, _: LocalizationWriter(path, names),
    pixel_size=text_pixel_size,
    has_lateral=True,
)

"""What the scores are called, in which unit, and what some of them mean: without torch."""

from __future__ import annotations

# name of a score: its name for people, its unit
LABELS = {
    "frc_time_nm": ("FRC, time blocks", "nm"),
    "frc_random_nm": ("FRC, random halves", "nm"),
    "decorrelation_nm": ("Decorrelation analysis", "nm"),
    "squirrel_rsp": ("Correlation (RSP)", ""),
    "squirrel_rse": ("Error (RSE), units of the frames", ""),
    "squirrel_alpha": ("Scale α", ""),
    "squirrel_beta": ("Offset β, units of the frames", ""),
    "squirrel_sigma_nm": ("Blur σ", "nm"),
    "squirrel_sigma_px": ("Blur σ", "px"),
    "nmse_percent": ("NMSE", "%"),
    "blur_sigma_px": ("  blur of both σ", "px"),
    "scale": ("  scale, least squares", "×"),
    "ssim": ("SSIM", ""),
    "ms_ssim": ("MS-SSIM", ""),
    "psnr_db": ("PSNR", "dB"),
    "snr_db": ("SNR", "dB"),
    "jaccard": ("Jaccard index", ""),
    "precision": ("Precision", ""),
    "recall": ("Recall", ""),
    "f1": ("F1", ""),
    "rmse_lateral_nm": ("RMSE, lateral (x and y)", "nm"),
    "rmse_per_axis_nm": ("RMSE, per axis", "nm"),
    "rmse_axial_nm": ("RMSE, axial (z)", "nm"),
    "efficiency_lateral": ("Efficiency, lateral", "%"),
    "efficiency_axial": ("Efficiency, axial", "%"),
    "efficiency_3d": ("Efficiency, 3-D", "%"),
    "bound_lateral_nm": ("Cramér-Rao bound, lateral, molecules alone", "nm"),
    "bound_axial_nm": ("Cramér-Rao bound, axial, molecules alone", "nm"),
    "crlb_lateral_nm": ("Cramér-Rao bound, lateral", "nm"),
    "crlb_axial_nm": ("Cramér-Rao bound, axial", "nm"),
    "efficiency": ("Efficiency", "%"),
    "threshold": ("Decision threshold", ""),
    "bias_x_nm": ("Bias x", "nm"),
    "bias_y_nm": ("Bias y", "nm"),
    "bias_z_nm": ("Bias z", "nm"),
    "z_score_mean_x": ("Error / its estimate, mean x", ""),
    "z_score_sd_x": ("Error / its estimate, SD x", ""),
    "z_score_mean_y": ("Error / its estimate, mean y", ""),
    "z_score_sd_y": ("Error / its estimate, SD y", ""),
    "z_score_mean_z": ("Error / its estimate, mean z", ""),
    "z_score_sd_z": ("Error / its estimate, SD z", ""),
    "n_true_positive": ("Found and true", "molecules"),
    "n_false_positive": ("Found but false", "molecules"),
    "n_false_negative": ("Missed", "molecules"),
}
# The same where the axis of a small plot has no room for more.
SHORT_LABELS = {
    "rmse_lateral_nm": ("error in x, y", "nm"),
    "rmse_axial_nm": ("error in z", "nm"),
}
TIPS = {
    "frc_time_nm": "1 / frequency at which the correlation of two halves, taken from alternating "
    "blocks of time, first falls below 1/7.",
    "frc_random_nm": "The same with halves drawn at random: too good where one blink is in both.",
    "decorrelation_nm": "Finest detail of the image that stands out from its noise.",
    "squirrel_rsp": "Pearson's correlation of the mean frame with the blurred and scaled result.",
    "squirrel_rse": "Root mean square of the error map, in the units of the frames.",
    "nmse_percent": "Squared difference of the scaled image from the truth, as a share of the "
    "truth. The blur and the scale below belong to it.",
    "rmse_lateral_nm": "Root of the mean of dx² + dy², as in the SMLM Challenge.",
    "rmse_axial_nm": "Root of the mean of dz².",
    "jaccard": "Found and true: 1 where all are found and no others.",
    "rmse_per_axis_nm": "Root of the mean of (dx² + dy²) / 2, as some papers report it.",
}


def name_of(score: str) -> str:
    """Return what a score is called, without its unit."""
    return LABELS.get(score, (score.replace("_", " "), ""))[0]


def label_of(score: str, *, is_short: bool = False) -> str:
    """Return what a score is called, with its unit in brackets.

    Examples
    --------
    >>> label_of("rmse_lateral_nm"), label_of("jaccard"), label_of("my_own")
    ('RMSE, lateral (x and y) (nm)', 'Jaccard index', 'my own')
    >>> label_of("rmse_lateral_nm", is_short=True)
    'error in x, y (nm)'
    """
    name, unit = LABELS.get(score, (name_of(score), ""))
    if is_short:
        name, unit = SHORT_LABELS.get(score, (name, unit))
    return f"{name} ({unit})" if unit else name

"""Result files: what a reconstruction writes. A simulation names its true molecules alike."""

IMAGE_NAME = "reconstruction.tif"
TABLE_NAME = "localizations.csv"
REPORT_NAME = "report.json"
RESULT_NAMES = (IMAGE_NAME, TABLE_NAME, REPORT_NAME)

"""Run the command line as `python -m napari_deepsmlm.cli`."""

from napari_deepsmlm.cli import main

if __name__ == "__main__":
    main()

"""The napari plugin: thin widgets over the library, the only place that knows napari and Qt.

A folder for each panel, whose `widget.py` is the panel itself; what panels share lies beside them.
"""

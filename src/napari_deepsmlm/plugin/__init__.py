"""The napari plugin: thin widgets over the library, the only place that knows napari and Qt."""

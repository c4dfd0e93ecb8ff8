"""Line profile: lines, the images under them, fits, plot and table."""

"""Super-resolved images and stacks as OME-TIFF."""

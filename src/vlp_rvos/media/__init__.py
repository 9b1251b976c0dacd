"""Video, images and masks as files: reading, drawing and writing."""

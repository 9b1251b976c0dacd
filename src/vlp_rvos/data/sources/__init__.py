"""Readers of images and videos with masks, in layouts that several data sets share."""

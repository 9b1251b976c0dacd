"""Training clips composed of pictures, videos and cut-outs."""

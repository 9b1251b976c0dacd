"""A service that finds in videos what words describe, over HTTP and WebSocket."""

"""JSON over HTTP: each route parses, makes one call into the pipeline and shapes the answer."""

"""What runs beside the requests: the writer, the markers' writer, and the clean-up."""

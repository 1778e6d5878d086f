"""What stands between a caller and the actions, for HTTP and the socket alike."""

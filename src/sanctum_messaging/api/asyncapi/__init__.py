"""The AsyncAPI 3.0 document of the socket, made of the frames and codes that the hub itself uses."""

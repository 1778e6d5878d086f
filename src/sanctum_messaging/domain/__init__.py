"""The nouns and rules of the service: pure, without I/O, framework or wire format."""

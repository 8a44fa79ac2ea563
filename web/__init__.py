"""HTTP only: who are you, may you, JSON in and out, the stream, the page."""

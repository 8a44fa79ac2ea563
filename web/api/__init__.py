"""What the API offers: one module a resource, each with its blueprint."""

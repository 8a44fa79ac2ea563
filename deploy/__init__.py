"""What an operator runs: the configuration of gunicorn, an example of ours, the pinned requirements."""

"""From a TOML file to the values of `alerting.config`: every fault named with its line, the last good file kept."""

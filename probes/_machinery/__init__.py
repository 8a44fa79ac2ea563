"""What every probe is built from: the observation, the requests a probe may yield, and who serves them."""

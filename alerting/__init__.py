"""What we remember, what we decide, whom we tell, and when."""

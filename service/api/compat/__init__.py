"""Foreign wire formats, translated at the door and nowhere else."""

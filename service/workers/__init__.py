"""What happens without anybody asking: leases end, old events go, held comments are scored again."""

"""What happens unasked: leases end, old events go, held comments are scored again,
events are delivered."""

"""What readers see: the demo article with its thread and comment form, and authors' receipts."""

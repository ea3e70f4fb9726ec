"""What happened, what is due, what a sentence means. Pure."""

"""The scheduler: the loop that runs what is due, and its systemd unit."""

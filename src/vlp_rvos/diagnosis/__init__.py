"""What this machine and this installation can do, and what to do about what they lack."""

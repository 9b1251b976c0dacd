"""What running the method costs: operations counted without running them, and times measured as ratios."""

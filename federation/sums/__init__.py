"""Private sums: the total of what members hold, and nothing else. ``README.md`` has the rules."""

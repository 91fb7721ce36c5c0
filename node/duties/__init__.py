"""The joint duties at one member: what its node and its people do about matters and sums."""

"""Take part in private sums, as opener, contributor and holder, by what stands in the logs."""

"""Pure functions on arrays: intervals, paired tests, cost per success, quantiles, sample sizes."""

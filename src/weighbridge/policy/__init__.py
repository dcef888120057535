"""From results to a proposed policy: what it will cost, how good and fast it will be, and what it promises."""

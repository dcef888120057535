"""Money: reserved before a request leaves, settled when its cost is known; what is reserved can never be overspent."""

from __future__ import annotations

from weighbridge.errors import WeighbridgeError


class BudgetSpent(WeighbridgeError):
    """The next request might cost more than is left."""

    exit_code = 3


class Budget:
    """USD. `limit` None: no limit, and unknown costs are allowed."""

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self.reserved = 0.0

    def reserve(self, most: float) -> float:
        """Sets aside what a request may cost at most. Raises BudgetSpent where that is not left."""
        if self.limit is not None and self.spent + self.reserved + most > self.limit + 1e-12:
            left = self.limit - self.spent
            raise BudgetSpent(
                f"the next request may cost up to ${most:.6f}, and ${max(0.0, left):.6f} of ${self.limit:g} is left"
            )
        self.reserved += most
        return most

    def settle(self, reserved: float, cost: float | None) -> None:
        """What it did cost; unknown counts as all that was reserved."""
        self.reserved -= reserved
        self.spent += reserved if cost is None else cost

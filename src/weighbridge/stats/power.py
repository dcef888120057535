"""How many samples a comparison needs, and what a comparison of so many can see."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from weighbridge.stats.estimate import checked, same_length
from weighbridge.stats.special import normal_cdf, normal_ppf


def _z(alpha: float, power: float) -> float:
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError("alpha and power must lie between 0 and 1")
    return normal_ppf(1 - alpha / 2) + normal_ppf(power)


def samples_for(variance: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """N = (z_{1-α/2} + z_{power})²·variance/difference², two-sided, by the normal approximation (Miller 2024, "Adding
    Error Bars to Evals", 5). `variance` is that of one sample's (paired) difference. Not rounded; use math.ceil."""
    if not math.isfinite(difference):
        raise ValueError(f"a difference must be a number, not {difference}")
    if difference == 0:
        raise ValueError("no number of samples shows a difference of zero")
    _check_variance(variance)
    return _z(alpha, power) ** 2 * variance / difference**2


def unpaired(p_before: float, p_after: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Samples for each side to show `difference` between two shares measured on different samples: the variance is
    p(1 - p) of one plus that of the other."""
    _check_shares(p_before, p_after)
    variance = p_before * (1 - p_before) + p_after * (1 - p_after)
    return samples_for(variance, difference, alpha=alpha, power=power)


def paired(before: ArrayLike, after: ArrayLike, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Samples to show `difference` on the same samples, from a pilot of (n,) each: the variance of after - before,
    which is smaller the more the two agree."""
    first, second = checked(before, "before"), checked(after, "after")
    same_length(before=first, after=second)
    return samples_for(float(np.var(second - first)), difference, alpha=alpha, power=power)


def paired_from_discordance(discordance: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Samples for McNemar's test when a share `discordance` of pairs differs (Connor 1987)."""
    if not abs(difference) <= discordance <= 1:
        raise ValueError("the discordance must be at least the difference and at most 1")
    if difference == 0:
        raise ValueError("no number of samples shows a difference of zero")
    _z(alpha, power)
    z_alpha, z_power = normal_ppf(1 - alpha / 2), normal_ppf(power)
    root = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(discordance - difference**2)
    return root**2 / difference**2


def discordance(p_before: float, p_after: float, correlation: float) -> float:
    """The share of samples on which two candidates differ, from their shares and the correlation of their passes
    (0 where they are independent): p(1 - p') + p'(1 - p) - 2r·√(p(1 - p)·p'(1 - p')). For `paired_from_discordance`.
    Raises ValueError where shares so different cannot be so correlated."""
    _check_shares(p_before, p_after)
    spread = math.sqrt(p_before * (1 - p_before) * p_after * (1 - p_after))
    found = p_before * (1 - p_after) + p_after * (1 - p_before) - 2 * correlation * spread
    gap, most = abs(p_after - p_before), min(p_before + p_after, 2 - p_before - p_after)
    if not gap - 1e-12 <= found <= most + 1e-12:
        raise ValueError(f"shares of {p_before:g} and {p_after:g} cannot have a correlation of {correlation:g}")
    return min(most, max(gap, found))


def achieved(variance: float, difference: float, n: float, *, alpha: float = 0.05) -> float:
    """The chance that n samples show a true `difference`."""
    _check_variance(variance)
    if not n > 0 or not 0 < alpha < 1:
        raise ValueError("n must be positive, and alpha lie between 0 and 1")
    if variance == 0:
        return 1.0 if difference else alpha
    shift = abs(difference) * math.sqrt(n / variance)
    z = normal_ppf(1 - alpha / 2)
    return normal_cdf(shift - z) + normal_cdf(-shift - z)


def detectable(variance: float, n: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest difference that n samples show with this power."""
    _check_variance(variance)
    if not n > 0:
        raise ValueError("n must be positive")
    return _z(alpha, power) * math.sqrt(variance / n)


def _check_variance(variance: float) -> None:
    if not variance >= 0:
        raise ValueError(f"a variance cannot be {variance:g}")


def _check_shares(*shares: float) -> None:
    for share in shares:
        if not 0 <= share <= 1:
            raise ValueError(f"a share must lie between 0 and 1, not {share:g}")

"""What an update weighs in the mean: its samples, as much as any other, or by a rule given."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping

from fedsight.errors import FedsightError, UsageError, told
from fedsight.starting import find_own_modules

#: What an update weighs: (samples that it was trained on, what its node measured) -> at least 0.
Weigh = Callable[[int, Mapping[str, float]], float]


def by_samples(samples: int, figures: Mapping[str, float]) -> int:
    """As McMahan et al. 2017: an update stands for the samples that it was trained on."""
    return samples


def alike(samples: int, figures: Mapping[str, float]) -> int:
    """Every node alike, however many samples it has."""
    return 1


_BY_NAME: Mapping[str, Weigh] = {"samples": by_samples, "uniform": alike}


def weighing(name: str) -> Weigh:
    """The rule called `name`: `samples`, `uniform`, or `package.module:function`.

    The function's module may lie in the working directory. Raises UsageError where there is none.
    What it returns is checked: a run stops with a FedsightError at what cannot be a weight.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    return _checked(name, _found(name))


def _found(name: str) -> Weigh:
    find_own_modules()
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise UsageError(f"weighting {name!r}: no module named {error.name!r}") from error
    except AttributeError as error:
        raise UsageError(f"weighting {name!r}: {error}") from error
    except Exception as error:  # a person's own module: whatever it raises is theirs to mend
        raise UsageError(f"weighting {name!r} cannot be loaded: {told(error)}") from error
    if not callable(found):
        raise UsageError(f"weighting {name!r} must be a function, got {type(found).__name__}")
    weigh: Weigh = found
    return weigh


def _checked(name: str, weigh: Weigh) -> Weigh:
    def weight(samples: int, figures: Mapping[str, float]) -> float:
        try:
            found = weigh(samples, figures)
        except Exception as error:  # a person's own function: told as what it is, and the run ends
            raise FedsightError(f"weighting {name!r} failed: {told(error)}") from error
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise FedsightError(f"weighting {name!r} must return a number, got {found!r}")
        if not (math.isfinite(found) and found >= 0):
            raise FedsightError(f"weighting {name!r} must return at least 0, got {found}")
        return found

    return weight

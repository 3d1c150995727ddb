"""Learning rate schedules."""

from ._base import LRScheduler as LRScheduler
from ._base import _LRScheduler as _LRScheduler
from ._combined import ChainedScheduler as ChainedScheduler
from ._combined import SequentialLR as SequentialLR
from ._cycle import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from ._cycle import CyclicLR as CyclicLR
from ._cycle import OneCycleLR as OneCycleLR
from ._decay import ConstantLR as ConstantLR
from ._decay import CosineAnnealingLR as CosineAnnealingLR
from ._decay import ExponentialLR as ExponentialLR
from ._decay import LambdaLR as LambdaLR
from ._decay import LinearLR as LinearLR
from ._decay import MultiplicativeLR as MultiplicativeLR
from ._decay import MultiStepLR as MultiStepLR
from ._decay import PolynomialLR as PolynomialLR
from ._decay import ReduceLROnPlateau as ReduceLROnPlateau
from ._decay import StepLR as StepLR

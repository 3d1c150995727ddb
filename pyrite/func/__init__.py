"""Transforms of functions: `grad`, `vjp`, `jvp`, Jacobians and `vmap`, composed freely."""

from ..autograd.batching import vmap as vmap
from ._jacobians import hessian as hessian
from ._jacobians import jacfwd as jacfwd
from ._jacobians import jacrev as jacrev
from ._modules import functional_call as functional_call
from ._modules import stack_module_state as stack_module_state
from ._transforms import grad as grad
from ._transforms import grad_and_value as grad_and_value
from ._transforms import jvp as jvp
from ._transforms import linearize as linearize
from ._transforms import vjp as vjp

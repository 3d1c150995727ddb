"""`functional_call` under torch's older path."""

from ...func import functional_call as functional_call

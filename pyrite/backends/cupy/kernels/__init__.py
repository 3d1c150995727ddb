"""Kernels of the CuPy backend by op name; those not here run generically."""

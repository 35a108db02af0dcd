"""Sparse depth D_ss as sensors give it, sampled from a dense map.

A pattern says at which pixels a sensor measures; a coverage takes measurements away; a fault
falsifies some of those that are left. :mod:`law` draws one of everything at random.

Depth is float32 [H, W] in metres with 0 = none throughout, and nothing depends on the scale of the
scene: multiplying the depth by k multiplies the result by k.
"""

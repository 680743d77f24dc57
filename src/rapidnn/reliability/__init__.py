"""What faulty silicon does to a composed network: fault models, remedies and their cost, wear.

The package is not called ``faults``: that would hide the public function ``rapidnn.faults``.
"""

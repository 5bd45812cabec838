"""course bench: which workloads and peers there are, how they are measured and shown.

workloads   what is measured, in which sizes
peers       who is measured, where their programs come from, what to install
programs    runs a program once and reads what it says
rounds      whose turn it is, and when to stop
figures     medians and ratios
table       the result for people;  charts: as SVG
machine     on what it was measured
"""

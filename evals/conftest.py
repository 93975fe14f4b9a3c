"""`pytest evals` is about story seeds alone.

`pytest evals/examples` runs what is shown there, and `plotbot judge RUN` what is in `judging`.
"""

collect_ignore = ["examples", "judging"]

"""`pytest evals` is about story seeds alone; `pytest evals/examples` runs what is shown there."""

collect_ignore = ["examples"]

"""Servers on Dask: workers that sit next to the servers ask them, a front process keeps and judges as ever.

`pool` is the front's side of it and `worker_tasks` the worker's. Both need `distributed`, so nothing imports them
before somebody has asked for Dask.
"""

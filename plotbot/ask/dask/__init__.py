"""Asking on Dask: workers that sit next to the servers ask them, a front process keeps and judges as ever.

`fleet` is the front's side of it and `neighbour` the worker's. Both need `distributed`, so nothing imports them before
somebody has asked for Dask.
"""

"""Servers that are asked through Dask: each Dask worker asks one server, the main process keeps and judges.

`pool` runs in the main process, `worker` in the Dask workers. Both import `distributed`, which is an extra and slow to
import, so nothing imports them unless EXECUTOR names Dask.
"""

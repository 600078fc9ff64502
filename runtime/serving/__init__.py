"""`mai serve`: files over HTTP, requests that share a call, images, limits, counters.

It needs what the extra `serve` brings: Starlette, Uvicorn, prometheus-client.
"""

"""From recordings to embedding tracks on disk: settings, inputs, the job, a flight per recording, the batch.

Not called ``embed``: a submodule of that name would hide the function ``vp_science.embed``.
"""

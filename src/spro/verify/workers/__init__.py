"""Worker processes for what may hang, crash or eat the memory. Start with ``pool.py``."""

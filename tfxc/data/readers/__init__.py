"""Files of any known layout to a `Dataset`; `read.py` is the front door."""

"""Settings of the recipes whose files would be long with them."""

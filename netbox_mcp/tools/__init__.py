"""The tools: thin functions over the service. `registry.load_tools` loads every module here."""

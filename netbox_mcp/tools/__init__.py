"""The tools: one thin function each, over the service. Every module here is loaded by `registry.load_tools`."""

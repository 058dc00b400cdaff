"""The conscious agent: what of an owner's memories is essential enough to be kept ready."""

# expect: runtime_error memory_limit exited
import ctypes
ctypes.string_at(8)
assert False
